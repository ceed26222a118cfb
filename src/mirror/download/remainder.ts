import { rename, rm } from "node:fs/promises";
import type { DownloadJob } from "../../model/job.ts";
import type { SpooledFile } from "../../model/medium.ts";
import { syncFile, syncFolder } from "../../platform/files/file-system.ts";
import { isPartOnly, NOT_WHOLE } from "../../rules/part-only.ts";
import { NotMediaYet, ours } from "../errors.ts";
import { hashFile } from "../spool/checksum.ts";
import type { Room } from "../spool/disk-space.ts";
import { isWhole, markOf, type Note, readNote, writeNote } from "../spool/resume-state.ts";
import { bestOf, fileOf, noteOf, partOf, unpackedOf } from "../spool/spool.ts";
import { nameRemainder, type Proof, verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { reopen } from "./partial-file.ts";

/** `why` it is none but a remainder; null: all of it came. */
type Remainder = { path: string; bytes: number; coding: string | null; why: string | null };

type Given = {
  spoolDir: string;
  job: DownloadJob;
  room: Pick<Room, "check">;
  maxSize: number;
  signal: AbortSignal;
};

/**
 * The best that the attempts have left in the spool, made the medium's file; null where there is none. For a link that gives
 * nothing any longer. A picture of which all came before a stop is better than any remainder, and newer than a copy that is
 * there. The largest remainder of media is suspect with the reason: part of a film is better than none, but not than a copy
 * that is there. Throws OwnTrouble, and the signal's reason.
 */
export async function keepRemainder(given: Given): Promise<SpooledFile | null> {
  const { spoolDir, job } = given;
  const hasCopy = job.hasCopy || job.previous !== null;
  return ours("spool", async () => {
    const note = await readNote(noteOf(spoolDir, job.mediumId));
    if (note === null || note.link !== markOf(job.url)) return null;
    for (const remainder of remaindersOf(spoolDir, job, note)) {
      if (hasCopy && remainder.why !== null) continue;
      const prepared = await prepare(remainder, given);
      if (prepared !== null && !(hasCopy && isPartOnly(prepared.proof))) return settle(given, note, prepared);
    }
    return null;
  });
}

/** The best first. */
function remaindersOf(spoolDir: string, { mediumId }: DownloadJob, note: Note): Remainder[] {
  const { synced: bytes, total, coding, best } = note;
  const of = total === null ? "" : ` of ${total}`;
  const part = { path: partOf(spoolDir, mediumId), bytes, coding, why: `${bytes}${of} bytes came` };
  const left = [part, ...(best === null ? [] : [{ path: bestOf(spoolDir, mediumId), ...best }])];
  return left
    .filter((remainder) => remainder.bytes > 0)
    .sort((one, other) => Number(isWhole(other)) - Number(isWhole(one)) || other.bytes - one.bytes);
}

type Prepared = { path: string; bytes: number; sha256: string; proof: Proof };

/** As much of it as can be unpacked; null: it is text, or not there. */
async function prepare(
  remainder: Remainder,
  { spoolDir, job, room, maxSize, signal }: Given,
): Promise<Prepared | null> {
  let { path, bytes, why } = remainder;
  let file = await reopen(path, bytes);
  if (file === null) return null;
  try {
    if (remainder.coding !== null) {
      const to = unpackedOf(spoolDir, job.mediumId);
      const { coding } = remainder;
      const unpacked = await unpack({ from: path, to, coding, maxSize, checkRoom: () => room.check(), signal });
      if (unpacked.bytes > 0) {
        await syncFile(to);
        await file.close();
        ({ path, bytes } = { path: to, bytes: unpacked.bytes });
        if (unpacked.why !== null) why ??= `it does not unpack (${coding}): ${unpacked.why}`;
        file = (await reopen(path, bytes))!;
      }
    }
    const proof = await judge({ path, bytes, why }, job);
    return proof && { path, bytes, sha256: await hashFile(file, bytes, signal), proof };
  } finally {
    await file.close();
  }
}

/** What it is, and why a person should look at it; null: it is text. */
async function judge(
  { path, bytes, why }: Omit<Remainder, "coding">,
  { kind, duration }: DownloadJob,
): Promise<Proof | null> {
  if (why === null) {
    try {
      return await verifyMedia({ path, kind, bytes, duration, announced: null, isFramed: true });
    } catch (error) {
      if (!(error instanceof NotMediaYet)) throw error;
      why = error.message;
    }
  }
  const proof = await nameRemainder({ path, kind, bytes });
  if (proof === null) return null;
  const suspect = [`${NOT_WHOLE}: ${why}`, proof.suspect].filter((line) => line !== null).join("; ");
  return { ...proof, suspect };
}

async function settle({ spoolDir, job }: Given, note: Note, prepared: Prepared): Promise<SpooledFile> {
  const { path, bytes, sha256, proof } = prepared;
  // Without validators: a conditional request must not find it unchanged.
  const file = { bytes, sha256, ...proof, etag: null, lastModified: null };
  // A crash from here on finds the file under its note.
  await writeNote(noteOf(spoolDir, job.mediumId), { ...note, file });
  await syncFile(noteOf(spoolDir, job.mediumId));
  await rm(fileOf(spoolDir, job.mediumId), { force: true });
  await rename(path, fileOf(spoolDir, job.mediumId));
  await syncFolder(spoolDir);
  return file;
}
