import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, nullWhereMissing } from "../../platform/files/file-system.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { asLocalFailure } from "../errors.ts";
import { isWhole, newResumeState, readResumeState, writeResumeState } from "./resume-state.ts";

/** The folder where downloads arrive and wait for their upload: a few files per medium, named by its id. */

/** Where the files of one medium are; each may be missing. */
export function spoolPaths(spoolDir: string, mediumId: string) {
  const path = join(spoolDir, encodeURIComponent(mediumId));
  return {
    /** The download until it is whole and validated. */
    part: `${path}.part`,
    /** What is known of the part (`resume-state.ts`). */
    state: `${path}.part.json`,
    /** The best that earlier attempts brought, used where nothing better comes: the largest remainder, or a whole picture. */
    best: `${path}.best`,
    /** What an encoded part is decoded into. */
    unpacked: `${path}.unpacked`,
    /** The whole, validated, durable file, which the upload takes. */
    file: `${path}.file`,
    /** A copy on its way from one target to another. */
    moved: `${path}.moved`,
  };
}

export type SpoolPaths = ReturnType<typeof spoolPaths>;

/** Removes what a download resumes from, once its file is settled. */
export async function clearResumable(spoolDir: string, mediumId: string): Promise<void> {
  const { part, state, best, unpacked } = spoolPaths(spoolDir, mediumId);
  for (const path of [part, state, best, unpacked]) await rm(path, { force: true });
}

/** Removes all files of a medium. */
export async function clearSpool(spoolDir: string, mediumId: string): Promise<void> {
  await clearResumable(spoolDir, mediumId);
  await rm(spoolPaths(spoolDir, mediumId).file, { force: true });
}

/** Each of their videos is locked meanwhile, and PostgreSQL has room for some thousands of locks. */
const REVIVED_AT_ONCE = 100;

type Reviving = { store: Pick<Store, "reviveSpooled">; clock: Pick<Clock, "now">; spoolDir: string };
type Clearing = { store: Pick<Store, "isSpooled" | "reviveSpooled">; clock: Pick<Clock, "now">; spoolDir: string };

/**
 * Removes all files of a medium that no job needs. A film that came to nothing elsewhere is downloaded again, which takes a whole
 * file.
 */
export async function clearUnwanted({ store, clock, spoolDir }: Clearing, mediumId: string): Promise<void> {
  if (await store.isSpooled(mediumId)) return;
  if ((await lstat(spoolPaths(spoolDir, mediumId).file).catch(nullWhereMissing)) !== null) {
    await store.reviveSpooled([mediumId], clock.now());
    if (await store.isSpooled(mediumId)) return;
  }
  await clearSpool(spoolDir, mediumId);
}

/** The same for all media that have files here: others may have ended with them what they are of. */
export async function sweepUnwanted(clearing: Clearing): Promise<void> {
  const ids = new Set(
    (await list(clearing.spoolDir)).filter(({ is }) => is !== "moved").map(({ id }) => decodeURIComponent(id)),
  );
  for (const id of ids) await clearUnwanted(clearing, id);
}

/** Throws where the spool cannot be made or, `thoroughly`, where it cannot be written to. */
export async function probeSpool(spoolDir: string, thoroughly: boolean): Promise<void> {
  await asLocalFailure("spool", async () => {
    await makeFolder(spoolDir);
    if (!thoroughly) return;
    const path = join(spoolDir, "~probe.part");
    await writeResumeState(path, newResumeState("probe"), { sync: true });
    await rm(path);
  });
}

const OURS = /^(?<id>.+)\.(?<is>part|part\.json|best|unpacked|file|moved)$/;

/** The spool's own files; none where there is no spool. */
async function list(spoolDir: string): Promise<{ path: string; id: string; is: string }[]> {
  const names = (await readdir(spoolDir).catch(nullWhereMissing)) ?? [];
  return names.flatMap((name) => {
    const { id, is } = OURS.exec(name)?.groups ?? {};
    return id === undefined || is === undefined ? [] : [{ path: join(spoolDir, name), id, is }];
  });
}

const stateOf = (spoolDir: string, id: string) => readResumeState(join(spoolDir, `${id}.part.json`)).catch(() => null);

/** What the database has lost of media whose file is whole and validated, or another relay has given up, is taken up again. */
export async function reviveAll({ store, clock, spoolDir }: Reviving): Promise<void> {
  const ids = (await list(spoolDir)).filter(({ is }) => is === "file").map(({ id }) => decodeURIComponent(id));
  for (let at = 0; at < ids.length; at += REVIVED_AT_ONCE)
    await store.reviveSpooled(ids.slice(at, at + REVIVED_AT_ONCE), clock.now());
}

/** Removes the largest remainder, to make room for whole files. A whole picture stays. */
export async function dropLargestRemainder(spoolDir: string): Promise<void> {
  let largest = { path: "", size: -1 };
  for (const { path, id, is } of await list(spoolDir)) {
    if (is !== "best" || isWhole((await stateOf(spoolDir, id))?.best ?? null)) continue;
    const size = (await lstat(path).catch(nullWhereMissing))?.size ?? -1;
    if (size > largest.size) largest = { path, size };
  }
  if (largest.size >= 0) await rm(largest.path, { force: true });
}

/**
 * Removes what an earlier run has left; returns the number of files. `keep` names the media whose files are needed: of those
 * that wait for an upload the file, of others what a download resumes from. Makes the folder where it is missing. A spool
 * that is a symbolic link, and foreign files in it, are left alone.
 */
export async function sweepSpool(spoolDir: string, keep: { mediumId: string; uploads: boolean }[]): Promise<number> {
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  if (!(await lstat(spoolDir)).isDirectory()) return 0;
  const needs = new Map(keep.map(({ mediumId, uploads }) => [encodeURIComponent(mediumId), uploads]));
  let removed = 0;
  for (const { path, id, is } of await list(spoolDir)) {
    if (await isNeeded(spoolDir, id, is, needs.get(id))) continue;
    if ((await lstat(path).catch(nullWhereMissing))?.isDirectory() !== false) continue;
    await rm(path, { force: true });
    removed++;
  }
  return removed;
}

async function isNeeded(spoolDir: string, id: string, is: string, uploads: boolean | undefined): Promise<boolean> {
  if (uploads === undefined || is === "moved") return false;
  if (uploads) return is === "file";
  if (is === "file") return true;
  const state = await stateOf(spoolDir, id);
  if (state === null || is === "unpacked") return false;
  if (is === "best") return state.best !== null;
  return is !== "part" || state.validator !== null || state.file !== null;
}
