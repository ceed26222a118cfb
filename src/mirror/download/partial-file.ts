import { constants, type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { errorLine } from "../../errors.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { SpooledFile } from "../../model/medium.ts";
import { nullWhereMissing, syncFile, syncFolder } from "../../platform/files/file-system.ts";
import { isPartOnly } from "../../rules/part-only.ts";
import { isNoSpace, NeverMedia, NotMediaYet, OwnTrouble } from "../errors.ts";
import { hashFile } from "../spool/checksum.ts";
import { blankNote, isWhole, type Note, readNote, writeNote } from "../spool/resume-state.ts";
import { bestOf, fileOf, noteOf, partOf } from "../spool/spool.ts";
import { readAt } from "../validate/read-window.ts";
import { nameRemainder } from "../validate/validate.ts";
import { isWeakTag, type MediaAnswer } from "./fetch.ts";
import { OVERLAP } from "./overlap.ts";

/** So many bytes further than ever before are progress: enough to be worth a request. */
const PROGRESS = 2 ** 20;

/** Characters of the reason that is noted. */
const MAX_WHY = 300;

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/** A file on its way into the spool, of which a former attempt may have left the beginning. Throws the system's errors. */
export type Part = {
  /** Only read from and written to by whoever opened it; another one after `begin`. */
  readonly file: FileHandle;
  readonly note: Readonly<Note>;
  /** Bytes came, further than ever before, that the next attempt goes on from. */
  readonly hasProgressed: boolean;
  /** The host answered: with the rest of what is there, or with the whole, before which what is there goes. */
  begin(answer: Extract<MediaAnswer, { is: "media" }>): Promise<void>;
  /** So much of it is on the disk for good: remembered where it can be gone on from. */
  keep(length: number): Promise<void>;
  /** The last bytes of what is there, where only their being the same shows that a rest fits; else null. */
  tail(): Promise<Uint8Array | null>;
  /** Puts the file that a packed part was unpacked into, of `bytes` bytes, in its place. */
  replaceBy(path: string, bytes: number): Promise<void>;
  /** It is whole, proven and durable: it gets its final name. */
  finish(file: SpooledFile): Promise<void>;
  /**
   * The attempt failed: leaves what the next one can go on from, and the largest remainder of media that any has brought.
   * `isLow`: there is no room to leave anything.
   */
  leave(cause: unknown, isLow: boolean): Promise<void>;
  close(): Promise<void>;
};

/**
 * What is known of a medium from earlier attempts, as far as it still fits to its link and to what is there. Throws the
 * system's errors, and the signal's reason.
 */
export async function readStart(
  spoolDir: string,
  { mediumId, kind }: Pick<DownloadJob, "mediumId" | "kind">,
  link: string,
  signal: AbortSignal,
): Promise<Note> {
  const note = await readNote(noteOf(spoolDir, mediumId));
  const path = fileOf(spoolDir, mediumId);
  const found = await lstat(path).catch(nullWhereMissing);
  const whole = found?.isFile() ? found.size : null;
  if (note !== null && note.link === link) {
    const isAll = note.file === null ? note.synced === note.total : !isPartOnly(note.file);
    if (kind === "thumbnail" && isAll) return setAside({ spoolDir, mediumId, note, signal });
    // Without its final name it is proven once more.
    return whole !== null && whole === note.file?.bytes ? note : { ...note, file: null };
  }
  // The spool was not there when the file's upload came, and is now. A video's link never changes; it is proven once more.
  if (whole === null || kind !== "video") return blankNote(link);
  await rename(path, partOf(spoolDir, mediumId));
  return { ...blankNote(link), total: whole, synced: whole };
}

/**
 * A picture of which all is there may have changed since, under the same link: it is asked for again, and what is there is
 * kept as the best of what came, for a link that gives nothing. Returns the note of a download that has not begun.
 */
async function setAside(given: { spoolDir: string; mediumId: string; note: Note; signal: AbortSignal }): Promise<Note> {
  const { spoolDir, mediumId, note, signal } = given;
  const { file, synced, coding } = note;
  const best = file === null ? { bytes: synced, coding, why: null } : { bytes: file.bytes, coding: null, why: null };
  const [notePath, part] = [noteOf(spoolDir, mediumId), partOf(spoolDir, mediumId)];
  for (const path of file === null ? [part] : [fileOf(spoolDir, mediumId), part]) {
    if (!(await (file === null ? isBetter(path, note) : holds(path, file, signal)))) continue;
    // A crash from here on finds it under its old name, or as the best.
    await writeNote(notePath, { ...note, best });
    await syncFile(notePath);
    await rename(path, bestOf(spoolDir, mediumId));
    await syncFolder(spoolDir);
    const blank = { ...blankNote(note.link), best };
    await writeNote(notePath, blank);
    await syncFile(notePath);
    return blank;
  }
  return { ...blankNote(note.link), best: note.best };
}

/** Whether all that came, unproven, is more of a picture than what came before. */
async function isBetter(path: string, { synced: bytes, best }: Note): Promise<boolean> {
  // A crash has left its note, and not its name.
  const isNoted = best !== null && best.why === null && best.bytes === bytes;
  if (!isNoted && (isWhole(best) || bytes <= (best?.bytes ?? 0))) return false;
  const file = await reopen(path, bytes);
  await file?.close();
  return file !== null && (await nameRemainder({ path, kind: "thumbnail", bytes })) !== null;
}

async function holds(path: string, { bytes, sha256 }: SpooledFile, signal: AbortSignal): Promise<boolean> {
  const file = await reopen(path, bytes);
  if (file === null) return false;
  try {
    return (await hashFile(file, bytes, signal)) === sha256;
  } finally {
    await file.close();
  }
}

/** Opens the part that `start` speaks of, cut to the bytes that are sure, or else a new one. */
export async function openPart(
  spoolDir: string,
  { mediumId, kind }: Pick<DownloadJob, "mediumId" | "kind">,
  start: Note,
): Promise<Part> {
  const path = partOf(spoolDir, mediumId);
  const notePath = noteOf(spoolDir, mediumId);
  const isKept = start.synced > 0 && (start.validator !== null || start.synced === start.total);
  const kept = isKept ? await reopen(path, start.synced) : null;
  let file = kept ?? (await create(path));
  let note: Note = kept ? start : { ...start, validator: null, synced: 0 };
  const before = start.furthest;

  const goesOn = () => note.validator !== null && note.synced > 0;

  /** Whether what came is more of the media than any attempt before has brought. */
  async function isBest(cause: unknown): Promise<boolean> {
    if (isWhole(note.best) || note.synced <= (note.best?.bytes ?? 0)) return false;
    if (cause instanceof NotMediaYet) return cause.isRemainder;
    if (cause instanceof NeverMedia || cause instanceof OwnTrouble) return false;
    return (await nameRemainder({ path, kind, bytes: note.synced })) !== null;
  }

  return {
    get file() {
      return file;
    },
    get note() {
      return note;
    },
    get hasProgressed() {
      return goesOn() && note.synced - before >= PROGRESS;
    },

    async begin({ from, total, etag, lastModified, validator, coding }) {
      if (from > 0) {
        note = { ...note, total };
        return;
      }
      if (note.synced > 0) {
        await file.close();
        file = await create(path);
      }
      note = { ...note, total, etag, lastModified, validator, coding, synced: 0 };
    },

    async tail() {
      if (note.validator === null || !isWeakTag(note.validator)) return null;
      const length = Math.min(OVERLAP, note.synced);
      return readAt(file, note.synced - length, length);
    },

    async keep(length) {
      note = { ...note, synced: length, furthest: Math.max(note.furthest, length) };
      if (goesOn() && length !== note.total) await writeNote(notePath, note);
    },

    async replaceBy(unpacked, bytes) {
      // Of either file alone nothing is known.
      note = { ...note, coding: null, validator: null, total: null, synced: 0 };
      await writeNote(notePath, note);
      await file.close();
      await rename(unpacked, path);
      file = await open(path, constants.O_RDWR | NO_FOLLOW);
      note = { ...note, total: bytes, synced: bytes };
    },

    async finish(whole) {
      await writeNote(notePath, { ...note, total: whole.bytes, file: whole });
      // Without its note a picture could be another link's; a video's link never changes.
      if (kind === "thumbnail") await syncFile(notePath);
      await file.close();
      await rename(path, fileOf(spoolDir, mediumId));
      await syncFolder(spoolDir);
    },

    async leave(cause, isLow) {
      const isFull = isLow || isNoSpace(cause);
      // What goes round in circles makes no progress the second time.
      const wasNone = cause instanceof NotMediaYet && note.furthest >= PROGRESS;
      const waits = cause instanceof OwnTrouble && (isFull || cause.doing === "room");
      if (isFull || cause instanceof NotMediaYet || !goesOn()) {
        const atLeast = Math.max(note.atLeast, note.synced);
        const { synced: bytes, coding } = note;
        const best = bestOf(spoolDir, mediumId);
        if (isFull && !isWhole(note.best)) {
          await rm(best, { force: true });
          note = { ...note, best: null };
        } else if (!isFull && (await isBest(cause))) {
          await rename(path, best);
          note = { ...note, best: { bytes, coding, why: errorLine(cause).slice(0, MAX_WHY) } };
        }
        note = { ...note, atLeast, coding: null, validator: null, synced: 0 };
        await rm(path, { force: true });
      }
      if (goesOn() || waits || wasNone || note.best !== null) await writeNote(notePath, note);
      else await rm(notePath, { force: true });
    },

    close: () => file.close(),
  };
}

/** Never written over: after a crash of an older relay the old one may be a file that its target has linked. */
async function create(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, "wx+", 0o640);
}

/** Null where there are not that many bytes, or it is no file of its own. */
export async function reopen(path: string, synced: number): Promise<FileHandle | null> {
  const file = await open(path, constants.O_RDWR | NO_FOLLOW).catch(nullWhereMissing);
  if (file === null) return null;
  try {
    const stat = await file.stat();
    if (stat.isFile() && stat.nlink === 1 && stat.size >= synced) {
      if (stat.size > synced) await file.truncate(synced);
      return file;
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return null;
}
