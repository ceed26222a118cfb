import { constants, type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { errorLine } from "../../errors.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { SpooledFile } from "../../model/medium.ts";
import { nullWhereMissing, syncFolder } from "../../platform/files/file-system.ts";
import { openHasher } from "../../platform/files/hash-thread.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";
import { isPartOnly } from "../../rules/part-only.ts";
import { InvalidContent, isNoSpace, LocalFailure, PermanentFailure } from "../errors.ts";
import { startChecksum } from "../spool/checksum.ts";
import { isWhole, newResumeState, type ResumeState, readResumeState, writeResumeState } from "../spool/resume-state.ts";
import type { SpoolPaths } from "../spool/spool.ts";
import { readAt } from "../validate/read-window.ts";
import { nameRemainder } from "../validate/validate.ts";
import type { MediaFound } from "./fetch.ts";
import { isWeakTag, OVERLAP, type Resume } from "./resume.ts";
import { type BodyWriting, writeBody } from "./write-body.ts";

/** Bytes beyond the furthest point of earlier attempts that count as progress: enough to be worth a request. */
const PROGRESS = 2 ** 20;

/** Characters of the reason that is stored. */
const MAX_WHY = 300;

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/** Shared by all downloads; its thread starts with the first large file and exits when idle. */
const hasher = openHasher();

/**
 * The state that earlier attempts left, as far as it fits the link and the files. Throws the system's errors and the signal's
 * reason.
 */
export async function findStart(
  paths: SpoolPaths,
  kind: DownloadJob["kind"],
  link: string,
  signal: AbortSignal,
): Promise<ResumeState> {
  const state = await readResumeState(paths.state);
  const found = await lstat(paths.file).catch(nullWhereMissing);
  const whole = found?.isFile() ? found.size : null;
  if (state !== null && state.link === link) {
    const isAll = state.file === null ? state.synced === state.total : !isPartOnly(state.file);
    if (kind === "thumbnail" && isAll) return setAside(paths, state, signal);
    // Without its final name it is validated again.
    return whole !== null && whole === state.file?.bytes ? state : { ...state, file: null };
  }
  // The spool was missing when the upload came, and is back. A video's link never changes its file; it is validated again.
  if (whole === null || kind !== "video") return newResumeState(link);
  await rename(paths.file, paths.part);
  return { ...newResumeState(link), total: whole, synced: whole };
}

/**
 * A whole picture may have changed under its link since: it is fetched again, and what is there is kept as the best, in case
 * the link gives nothing. Returns the state of a new download.
 */
async function setAside(paths: SpoolPaths, state: ResumeState, signal: AbortSignal): Promise<ResumeState> {
  const { file, synced, coding } = state;
  const best = { bytes: file?.bytes ?? synced, coding: file === null ? coding : null, why: null };
  for (const path of file === null ? [paths.part] : [paths.file, paths.part]) {
    if (!(await (file === null ? isBetter(path, state) : holds(path, file, signal)))) continue;
    // After a crash from here on it is found under its old name or as the best.
    await writeResumeState(paths.state, { ...state, best }, { sync: true });
    await rename(path, paths.best);
    await syncFolder(dirname(paths.file));
    const blank = { ...newResumeState(state.link), best };
    await writeResumeState(paths.state, blank, { sync: true });
    return blank;
  }
  return { ...newResumeState(state.link), best: state.best };
}

/** Whether all that came, unvalidated, is more of a picture than the best so far. */
async function isBetter(path: string, { synced: bytes, best }: ResumeState): Promise<boolean> {
  // A crash has left the state without the new name.
  const isNoted = best !== null && best.why === null && best.bytes === bytes;
  if (!isNoted && (isWhole(best) || bytes <= (best?.bytes ?? 0))) return false;
  const file = await reopen(path, bytes);
  await file?.close();
  return file !== null && (await nameRemainder({ path, kind: "thumbnail", bytes })) !== null;
}

async function holds(path: string, { bytes, sha256 }: SpooledFile, signal: AbortSignal): Promise<boolean> {
  const file = await reopen(path, bytes);
  await file?.close();
  return file !== null && (await sha256OfFile(path, signal)) === sha256;
}

/**
 * Opens a file on its way into the spool: the part of `start`, cut to its durable bytes, or a new one. Throws the system's
 * errors.
 */
export async function openPartialFile(
  paths: SpoolPaths,
  kind: DownloadJob["kind"],
  start: ResumeState,
  signal: AbortSignal,
) {
  const { part: path } = paths;
  const isKept = start.synced > 0 && (start.validator !== null || start.synced === start.total);
  const kept = isKept ? await reopen(path, start.synced) : null;
  let file = kept ?? (await create(path));
  let state: ResumeState = kept ? start : { ...start, validator: null, synced: 0 };
  const before = start.furthest;
  const checksum = startChecksum(hasher, path, signal);

  const isResumable = () => state.validator !== null && state.synced > 0;

  /** Whether what came is more of the medium than any attempt before has brought. */
  async function isBest(cause: unknown): Promise<boolean> {
    if (isWhole(state.best) || state.synced <= (state.best?.bytes ?? 0)) return false;
    if (cause instanceof InvalidContent) return cause.isPartial;
    if (cause instanceof PermanentFailure || cause instanceof LocalFailure) return false;
    return (await nameRemainder({ path, kind, bytes: state.synced })) !== null;
  }

  async function keep(length: number): Promise<void> {
    state = { ...state, synced: length, furthest: Math.max(state.furthest, length) };
    if (isResumable() && length !== state.total) await writeResumeState(paths.state, state);
  }

  return {
    get state(): Readonly<ResumeState> {
      return state;
    },
    /** All of it came in an earlier attempt. */
    get isComplete(): boolean {
      return state.synced > 0 && state.synced === state.total;
    },
    /** More bytes than ever before are there for the next attempt to resume from. */
    get hasProgressed(): boolean {
      return isResumable() && state.synced - before >= PROGRESS;
    },

    /** What to ask the host for the rest of; null: for the whole. */
    async resumePoint(): Promise<Resume | null> {
      const { synced: from, total, validator, lastModified } = state;
      if (from === 0 || validator === null) return null;
      const overlap = Math.min(OVERLAP, from);
      const tail = isWeakTag(validator) ? await readAt(file, from - overlap, overlap) : null;
      return { from, total, validator, lastModified, tail };
    },

    /** The host answered: with the rest, or with the whole, which replaces what is there. */
    async begin({ from, total, etag, lastModified, validator, coding }: MediaFound): Promise<void> {
      if (from > 0) {
        state = { ...state, total };
        return;
      }
      if (state.synced > 0) {
        await file.close();
        file = await create(path);
      }
      checksum.restart();
      state = { ...state, total, etag, lastModified, validator, coding, synced: 0 };
    },

    /** Writes the body of that answer; throws as `writeBody`. The durable length is stored where a download can be resumed. */
    write: (body: Readable, options: Pick<BodyWriting, "maxSize" | "onBytes" | "checkSpace">) =>
      writeBody(body, { ...options, file, from: state.synced, onWritten: checksum.written, onDurable: keep }),

    /** Replaces the encoded part by the file that it was decoded into. */
    async replaceBy(unpacked: string, bytes: number): Promise<void> {
      // A crash may leave either file under this name: of neither alone is anything known.
      state = { ...state, coding: null, validator: null, total: null, synced: 0 };
      await writeResumeState(paths.state, state);
      await file.close();
      await rename(unpacked, path);
      file = await open(path, constants.O_RDWR | NO_FOLLOW);
      checksum.restart();
      state = { ...state, total: bytes, synced: bytes };
    },

    /** The sha256 (hex) of all that is durable. Throws the signal's reason. */
    sha256: () => checksum.end(file, state.synced),

    /** Gives the whole, validated, durable file its final name. */
    async finish(whole: SpooledFile): Promise<void> {
      // Without its state a picture could be another link's; a video's link never changes.
      const sync = kind === "thumbnail";
      await writeResumeState(paths.state, { ...state, total: whole.bytes, file: whole }, { sync });
      await file.close();
      await rename(path, paths.file);
      await syncFolder(dirname(paths.file));
    },

    /**
     * The attempt failed: leaves what the next one can resume from, and the largest remainder of media so far. `isLow`: the
     * disk has no room for that.
     */
    async leave(cause: unknown, isLow: boolean): Promise<void> {
      const isFull = isLow || isNoSpace(cause);
      // Remembers the furthest point of invalid content: reaching it again is no progress.
      const wasInvalid = cause instanceof InvalidContent && state.furthest >= PROGRESS;
      const waits = cause instanceof LocalFailure && (isFull || cause.resource === "disk space");
      if (isFull || cause instanceof InvalidContent || !isResumable()) {
        const atLeast = Math.max(state.atLeast, state.synced);
        const { synced: bytes, coding } = state;
        if (isFull && !isWhole(state.best)) {
          await rm(paths.best, { force: true });
          state = { ...state, best: null };
        } else if (!isFull && (await isBest(cause))) {
          await rename(path, paths.best);
          state = { ...state, best: { bytes, coding, why: errorLine(cause).slice(0, MAX_WHY) } };
        }
        state = { ...state, atLeast, coding: null, validator: null, synced: 0 };
        await rm(path, { force: true });
      }
      if (isResumable() || waits || wasInvalid || state.best !== null) await writeResumeState(paths.state, state);
      else await rm(paths.state, { force: true });
    },

    close(): Promise<void> {
      checksum.drop();
      return file.close();
    },
  };
}

export type PartialFile = Awaited<ReturnType<typeof openPartialFile>>;

/** Never reuses a file: that of an older version of the relay may be linked into its target. */
async function create(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, "wx+", 0o640);
}

/** Opens a file cut to `synced` bytes; null where it has fewer, or is a link. */
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
