import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { DownloadJob } from "../../model/job.ts";
import type { SpooledFile } from "../../model/medium.ts";
import { syncFolder } from "../../platform/files/file-system.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";
import { isPartOnly, NOT_WHOLE } from "../../rules/part-only.ts";
import { asLocalFailure, InvalidContent } from "../errors.ts";
import { isWhole, linkHash, type ResumeState, readResumeState, writeResumeState } from "../spool/resume-state.ts";
import type { SpoolPaths } from "../spool/spool.ts";
import { nameRemainder, type Proof, verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { reopen } from "./partial-file.ts";
import type { Attempt } from "./transfer.ts";

/** `why` it is not whole; null: all of it came. */
type Remainder = { path: string; bytes: number; coding: string | null; why: string | null };

/**
 * Makes the best that earlier attempts left in the spool the medium's file, for a link that gives nothing more; null: there
 * is nothing. A whole picture is preferred, and replaces an existing copy. A remainder is kept, marked suspect, only where
 * there is no copy. Throws LocalFailure and the signal's reason.
 */
export async function keepRemainder(attempt: Attempt): Promise<SpooledFile | null> {
  const { paths, job } = attempt;
  const hasCopy = job.hasCopy || job.previous !== null;
  return asLocalFailure("spool", async () => {
    const state = await readResumeState(paths.state);
    if (state === null || state.link !== linkHash(job.url)) return null;
    for (const remainder of remaindersOf(paths, state)) {
      if (hasCopy && remainder.why !== null) continue;
      const prepared = await prepare(remainder, attempt);
      if (prepared === null || (hasCopy && isPartOnly(prepared.file))) continue;
      // A crash from here on finds the file by its state.
      await writeResumeState(paths.state, { ...state, file: prepared.file }, { sync: true });
      await rm(paths.file, { force: true });
      await rename(prepared.path, paths.file);
      await syncFolder(dirname(paths.file));
      return prepared.file;
    }
    return null;
  });
}

/** The best first. */
function remaindersOf(paths: SpoolPaths, { synced: bytes, total, coding, best }: ResumeState): Remainder[] {
  const of = total === null ? "" : ` of ${total}`;
  const part = { path: paths.part, bytes, coding, why: `${bytes}${of} bytes came` };
  return [part, ...(best === null ? [] : [{ path: paths.best, ...best }])]
    .filter((remainder) => remainder.bytes > 0)
    .sort((one, other) => Number(isWhole(other)) - Number(isWhole(one)) || other.bytes - one.bytes);
}

/** Decodes as much of it as possible, and validates that; null: it is text, or missing. */
async function prepare(
  { path, bytes, coding, why }: Remainder,
  { paths, job, diskBudget, config, lease: { signal } }: Attempt,
): Promise<{ path: string; file: SpooledFile } | null> {
  const packed = await reopen(path, bytes);
  await packed?.close();
  if (packed === null) return null;
  if (coding !== null) {
    const given = { from: path, to: paths.unpacked, coding, maxSize: config.maxSize, signal };
    const unpacked = await unpack({ ...given, checkSpace: diskBudget.check });
    if (unpacked.bytes > 0) {
      if (unpacked.why !== null) why ??= `it does not unpack (${coding}): ${unpacked.why}`;
      ({ path, bytes } = { path: paths.unpacked, bytes: unpacked.bytes });
    }
  }
  const proof = await prove(path, bytes, why, job);
  if (proof === null) return null;
  // Without validators, so that a conditional request never finds the copy unchanged.
  return { path, file: { bytes, sha256: await sha256OfFile(path, signal), ...proof, etag: null, lastModified: null } };
}

/** Null: it is text. */
async function prove(
  path: string,
  bytes: number,
  why: string | null,
  { kind, duration }: DownloadJob,
): Promise<Proof | null> {
  if (why === null) {
    const verdict = await verifyMedia({ path, kind, bytes, duration, announced: null, isFramed: true });
    if (!(verdict instanceof InvalidContent)) return verdict;
    why = verdict.message;
  }
  const proof = await nameRemainder({ path, kind, bytes });
  if (proof === null) return null;
  const suspect = [`${NOT_WHOLE}: ${why}`, proof.suspect].filter((line) => line !== null).join("; ");
  return { ...proof, suspect };
}
