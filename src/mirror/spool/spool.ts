import { lstat, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, nullWhereMissing } from "../../platform/files/file-system.ts";
import { ours } from "../errors.ts";
import { isWhole, readNote } from "./resume-state.ts";

/** The folder where downloads arrive, and wait for their upload: a few files for a medium, named by its id. */

/** Where a download is written until it is whole and known to be good. */
export function partOf(spoolDir: string, mediumId: string): string {
  return join(spoolDir, `${encodeURIComponent(mediumId)}.part`);
}

/** What is known of the part, beside it. */
export function noteOf(spoolDir: string, mediumId: string): string {
  return `${partOf(spoolDir, mediumId)}.json`;
}

/** The best of what earlier attempts brought, the largest remainder or a whole picture: kept where nothing better comes. */
export function bestOf(spoolDir: string, mediumId: string): string {
  return join(spoolDir, `${encodeURIComponent(mediumId)}.best`);
}

/** Where a part is unpacked that came packed. */
export function unpackedOf(spoolDir: string, mediumId: string): string {
  return join(spoolDir, `${encodeURIComponent(mediumId)}.unpacked`);
}

/** The file of a medium once it is whole, proven and durable: what its upload takes. */
export function fileOf(spoolDir: string, mediumId: string): string {
  return join(spoolDir, `${encodeURIComponent(mediumId)}.file`);
}

/** Removes what a download went on from, once its file is settled. */
export async function clearStart(spoolDir: string, mediumId: string): Promise<void> {
  for (const path of [partOf, noteOf, bestOf, unpackedOf]) await rm(path(spoolDir, mediumId), { force: true });
}

/** Removes all that the spool holds of a medium. */
export async function clearSpool(spoolDir: string, mediumId: string): Promise<void> {
  await clearStart(spoolDir, mediumId);
  await rm(fileOf(spoolDir, mediumId), { force: true });
}

/** Throws where the spool is not there and cannot be made; and, `thoroughly`, where nothing can be written to it. */
export async function probeSpool(spoolDir: string, thoroughly: boolean): Promise<void> {
  await ours("spool", async () => {
    await makeFolder(spoolDir);
    if (!thoroughly) return;
    const path = join(spoolDir, "~probe.part");
    await rm(path, { force: true });
    const file = await open(path, "wx", 0o640);
    try {
      await file.write("probe");
      await file.sync();
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
  });
}

/** The media (their ids) of which the spool has a file, whole and proven. */
export async function spooledFiles(spoolDir: string): Promise<string[]> {
  const names = await readdir(spoolDir).catch(nullWhereMissing);
  return (names ?? []).flatMap((name) => {
    const { id, is } = OURS.exec(name)?.groups ?? {};
    return id !== undefined && is === "file" ? decodeURIComponent(id) : [];
  });
}

/** Removes the largest remainder that the spool holds: room for what may come whole. A whole picture stays. */
export async function dropLargestRemainder(spoolDir: string): Promise<void> {
  let largest = { path: "", size: -1 };
  for (const name of (await readdir(spoolDir).catch(nullWhereMissing)) ?? []) {
    const { id, is } = OURS.exec(name)?.groups ?? {};
    if (is !== "best") continue;
    const note = await readNote(join(spoolDir, `${id}.part.json`)).catch(() => null);
    if (isWhole(note?.best ?? null)) continue;
    const path = join(spoolDir, name);
    const size = (await lstat(path).catch(nullWhereMissing))?.size ?? -1;
    if (size > largest.size) largest = { path, size };
  }
  if (largest.size >= 0) await rm(largest.path, { force: true });
}

const OURS = /^(?<id>.+)\.(?<is>part|part\.json|best|unpacked|file)$/;

/**
 * Removes what an earlier run has left and nobody needs; returns how many files that were. `keep` names the media that the
 * spool must keep something of: of those that wait for their upload the file, of the others what a download goes on from.
 * The folder is created where it is missing; one that is a symbolic link is left alone, as is what is none of ours.
 */
export async function sweepSpool(spoolDir: string, keep: { mediumId: string; uploads: boolean }[]): Promise<number> {
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  if (!(await lstat(spoolDir)).isDirectory()) return 0;
  const wanted = new Map(keep.map(({ mediumId, uploads }) => [encodeURIComponent(mediumId), uploads]));
  let removed = 0;
  for (const name of await readdir(spoolDir)) {
    const { id, is } = OURS.exec(name)?.groups ?? {};
    if (id === undefined || (await isNeeded(spoolDir, id, is!, wanted.get(id)))) continue;
    const path = join(spoolDir, name);
    if ((await lstat(path).catch(nullWhereMissing))?.isDirectory() !== false) continue;
    await rm(path, { force: true });
    removed++;
  }
  return removed;
}

async function isNeeded(spoolDir: string, id: string, is: string, uploads: boolean | undefined): Promise<boolean> {
  if (uploads === undefined) return false;
  if (uploads) return is === "file";
  if (is === "file") return true;
  const note = await readNote(join(spoolDir, `${id}.part.json`)).catch(() => null);
  if (note === null || is === "unpacked") return false;
  if (is === "best") return note.best !== null;
  return is !== "part" || note.validator !== null || note.file !== null;
}
