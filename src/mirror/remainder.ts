import { rename, rm } from "node:fs/promises";
import type { DownloadJob, SpooledFile } from "../domain.ts";
import { NOT_WHOLE } from "../part-only.ts";
import { hashFile } from "./digest.ts";
import { syncFile, syncFolder } from "./durable.ts";
import { markOf, type Note, readNote, writeNote } from "./note.ts";
import { reopen } from "./part.ts";
import type { Room } from "./room.ts";
import { bestOf, fileOf, noteOf, partOf, unpackedOf } from "./spool.ts";
import { ours } from "./trouble.ts";
import { unpack } from "./unpack.ts";
import { nameRemainder, type Proof } from "./verify.ts";

type Remainder = { path: string; bytes: number; coding: string | null; why: string };

type Given = {
  spoolDir: string;
  job: DownloadJob;
  room: Pick<Room, "check">;
  maxSize: number;
  signal: AbortSignal;
};

/**
 * The largest remainder of media that the attempts have left in the spool, made the medium's file, and suspect with the reason;
 * null where there is none. For a link that gives nothing any longer: part of a film is better than none. Never over a
 * copy that is there. Throws OwnTrouble, and the signal's reason.
 */
export async function keepRemainder(given: Given): Promise<SpooledFile | null> {
  const { spoolDir, job } = given;
  if (job.hasCopy || job.previous !== null) return null;
  return ours("spool", async () => {
    const note = await readNote(noteOf(spoolDir, job.mediumId));
    if (note === null || note.link !== markOf(job.url)) return null;
    const left = remaindersOf(spoolDir, job, note).sort((one, other) => other.bytes - one.bytes);
    for (const remainder of left) {
      const proof = await prepare(remainder, given);
      if (proof !== null) return settle(given, note, proof);
    }
    return null;
  });
}

function remaindersOf(spoolDir: string, { mediumId }: DownloadJob, note: Note): Remainder[] {
  const { synced: bytes, total, coding, best } = note;
  const of = total === null ? "" : ` of ${total}`;
  const part = { path: partOf(spoolDir, mediumId), bytes, coding, why: `${bytes}${of} bytes came` };
  return [part, ...(best === null ? [] : [{ path: bestOf(spoolDir, mediumId), ...best }])].filter(
    (remainder) => remainder.bytes > 0,
  );
}

type Prepared = { path: string; bytes: number; sha256: string; proof: Proof };

/** As much of it as can be unpacked; null: it is text, or not there. */
async function prepare(
  remainder: Remainder,
  { spoolDir, job, room, maxSize, signal }: Given,
): Promise<Prepared | null> {
  let { path, bytes } = remainder;
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
        file = (await reopen(path, bytes))!;
      }
    }
    const proof = await nameRemainder({ path, kind: job.kind, bytes });
    if (proof === null) return null;
    const suspect = [`${NOT_WHOLE}: ${remainder.why}`, proof.suspect].filter((line) => line !== null).join("; ");
    return { path, bytes, sha256: await hashFile(file, bytes, signal), proof: { ...proof, suspect } };
  } finally {
    await file.close();
  }
}

async function settle({ spoolDir, job }: Given, note: Note, prepared: Prepared): Promise<SpooledFile> {
  const { path, bytes, sha256, proof } = prepared;
  // Without validators: a conditional request must not find it unchanged.
  const file = { bytes, sha256, ...proof, etag: null, lastModified: null };
  // A crash from here on finds the file under its note.
  await writeNote(noteOf(spoolDir, job.mediumId), { ...note, total: bytes, file });
  await rm(fileOf(spoolDir, job.mediumId), { force: true });
  await rename(path, fileOf(spoolDir, job.mediumId));
  await syncFolder(spoolDir);
  return file;
}
