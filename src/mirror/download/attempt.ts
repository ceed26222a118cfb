import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Config } from "../../config/schema.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { Copy, SpooledFile } from "../../model/medium.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { openHasher } from "../../platform/files/hash-thread.ts";
import type { Outbound } from "../../platform/net/outbound.ts";
import { within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { NeverMedia, NotMediaYet, OwnTrouble, ours } from "../errors.ts";
import { type Sum, startSum } from "../spool/checksum.ts";
import type { Reservation, Room } from "../spool/disk-space.ts";
import type { SlowDownload } from "../spool/in-progress.ts";
import { markOf } from "../spool/resume-state.ts";
import { partOf, unpackedOf } from "../spool/spool.ts";
import { type Proof, verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { fetchMedia, type Resume } from "./fetch.ts";
import { openPart, type Part, readStart } from "./partial-file.ts";
import { nameBodyError, refusesBody } from "./protocol-errors.ts";
import { type Limits, watchPace } from "./rate-limits.ts";
import { writeBody } from "./write-body.ts";

/** A target that does not say within this whether it has a former copy, cannot say it; milliseconds. */
const PATIENCE = 3_000;

/** One for all downloads. It rests, and holds nothing, until a large file comes. */
const hasher = openHasher();

export type Preparation = {
  config: Pick<Config["mirror"], "maxSize">;
  outbound: Outbound;
  ports: Pick<Ports, "clock">;
  spoolDir: string;
  room: Room;
  limits: Limits;
  job: DownloadJob;
  /** Whether a former copy is in its target still; null: that cannot be said now. */
  heldCopy(copy: Copy): Promise<boolean | null>;
  signal: AbortSignal;
  /** The request is about to be sent. */
  onRequest(): void;
  /** Too slow to hold a slot; told again each second that it is. */
  onSlow(slow: SlowDownload): void;
  /** All bytes are there. */
  onWhole(): void;
  /** It failed, but bytes came, further than ever before, from which the next attempt goes on. */
  onProgress(): void;
};

export type Prepared = { is: "spooled"; file: SpooledFile } | { is: "unchanged"; copy: Copy };

/**
 * Fetches the file of a job into the spool, proves it, and makes it durable under its final name; goes on from what an
 * earlier attempt has left. Where that is all of it, a video is asked for no more; a picture, which may have changed, is,
 * and what is there waits for the case that the link gives nothing. Throws NeverMedia and RefusedAddress (asking again is
 * useless), OwnTrouble (not the link's fault), and anything else where asking again may help. After a throw the spool holds
 * what the next attempt can go on from, and nothing else of this medium.
 */
export async function prepareFile(given: Preparation): Promise<Prepared> {
  const { job, spoolDir, room } = given;
  await ours("spool", () => makeFolder(spoolDir));
  const start = await ours("spool", () => readStart(spoolDir, job, markOf(job.url), given.signal));
  if (start.file !== null) return { is: "spooled", file: start.file };

  const stop = new AbortController();
  const onAbort = () => stop.abort(given.signal.reason);
  given.signal.addEventListener("abort", onAbort, { once: true });
  if (given.signal.aborted) onAbort();
  let reservation: Reservation | null = null;
  let part: Part | null = null;
  const sum = startSum(hasher, partOf(spoolDir, job.mediumId), stop.signal);
  try {
    const left = start.total === null ? start.atLeast || null : start.total - start.synced;
    reservation = await room.reserve({ left, giveUp: (reason) => stop.abort(reason) });
    part = await ours("spool", () => openPart(spoolDir, job, start));
    const isWhole = part.note.synced > 0 && part.note.synced === part.note.total;
    const attempt = { given, part, sum, reservation, stop };
    const received = isWhole ? { isFramed: true } : await receive(attempt);
    if ("is" in received) return received;
    given.onWhole();
    const file = await prove(attempt, received.isFramed);
    await ours("spool", () => part!.finish(file));
    return { is: "spooled", file };
  } catch (error) {
    // What undici throws for an abort says nothing; the reason does.
    const cause = stop.signal.aborted ? stop.signal.reason : error;
    if (part !== null) {
      const isLow = cause instanceof OwnTrouble && !(await hasRoom(room));
      await part.leave(cause, isLow).catch(() => {}); // The spool is in trouble, which the next attempt will tell.
      if (part.hasProgressed) given.onProgress();
    }
    throw cause;
  } finally {
    sum.drop();
    await part?.close().catch(() => {});
    reservation?.release();
    given.signal.removeEventListener("abort", onAbort);
  }
}

const hasRoom = (room: Room) =>
  room.check().then(
    () => true,
    () => false,
  );

/** What one attempt works with. */
type Attempt = { given: Preparation; part: Part; sum: Sum; reservation: Reservation; stop: AbortController };

/** `isFramed`: all of it came by HTTP's own account. */
type Received = { isFramed: boolean } | Extract<Prepared, { is: "unchanged" }>;

/** Receives the file; on a later try a body that only a strict parser refuses once more, leniently. */
async function receive(attempt: Attempt): Promise<Received> {
  try {
    return await receiveOnce(attempt, false);
  } catch (error) {
    if (attempt.given.job.attempts === 0 || !refusesBody(error)) throw error;
    return receiveOnce(attempt, true);
  }
}

/** Asks for the file, or for the rest of it, and writes it. */
async function receiveOnce({ given, part, sum, reservation, stop }: Attempt, lenient: boolean): Promise<Received> {
  const { config, job, limits } = given;
  const { synced } = part.note;
  const previous = synced === 0 ? await stillHeld(given) : null;
  let from = synced;
  let length = from;
  const left = () => (part.note.total === null ? null : part.note.total - length);
  let body: Readable | null = null;
  const stopWatching = watchPace(given.ports.clock, limits, {
    bytes: () => length - from,
    onSlow: (rate) =>
      given.onSlow({
        bytes: length - from,
        secondsLeft: (left() ?? Number.POSITIVE_INFINITY) / rate,
        giveUp: (reason) => stop.abort(reason),
      }),
    onHopeless: (reason) => stop.abort(new Error(reason)),
  });
  try {
    stop.signal.throwIfAborted();
    given.onRequest();
    const answer = await fetchMedia({
      outbound: given.outbound,
      url: job.url,
      previous,
      resume: await resumeOf(part),
      isLater: job.attempts > 0,
      lenient,
      signal: stop.signal,
      headersTimeout: limits.headers,
      idleTimeout: limits.idle,
    });
    if (answer.is === "unchanged") return { is: "unchanged", copy: previous! };
    body = answer.body;
    await ours("spool", () => part.begin(answer));
    from = length = answer.from;
    if (from === 0) sum.restart();
    if ((answer.total ?? 0) > config.maxSize)
      throw new NeverMedia(`it is larger than mirror.maxSize: ${answer.total} of ${config.maxSize} bytes`);
    await reservation.ask(left());
    length = await writeBody(body, {
      file: part.file,
      from,
      maxSize: config.maxSize,
      onBytes(sofar) {
        length = sofar;
        reservation.left(left());
      },
      onWritten: sum.written,
      onDurable: (sofar) => part.keep(sofar),
      checkRoom: () => reservation.check(),
    });
    return { isFramed: answer.isFramed };
  } catch (error) {
    // Whatever failed, a body that was not read to its end would keep its connection.
    body?.destroy();
    throw body === null ? error : nameBodyError(error, { length, total: part.note.total });
  } finally {
    stopWatching();
  }
}

async function resumeOf(part: Part): Promise<Resume | null> {
  const { synced: from, total, validator, lastModified } = part.note;
  if (from === 0 || validator === null) return null;
  return { from, total, validator, lastModified, tail: await ours("spool", () => part.tail()) };
}

/** The copy that a conditional request may speak of: only one that its target still holds, as far as that can be said. */
async function stillHeld({ job, heldCopy, ports }: Preparation): Promise<Copy | null> {
  const { previous } = job;
  if (previous === null) return null;
  const isHeld = await within(PATIENCE, ports.clock, () => heldCopy(previous)).catch(() => null);
  return isHeld === true ? previous : null;
}

/** Judges what is there by its content, and sums it up. Throws NotMediaYet where it is not the media. */
async function prove(attempt: Attempt, isFramed: boolean): Promise<SpooledFile> {
  const { part, sum, stop } = attempt;
  let verdict = await judge(attempt, { announced: part.note.total, isFramed });
  const isProven = !(verdict instanceof NotMediaYet) && verdict.suspect === null;
  // What is media as it came was only called packed.
  if (part.note.coding !== null && !isProven) verdict = await proveUnpacked(attempt, verdict);
  if (verdict instanceof NotMediaYet) throw verdict;
  stop.signal.throwIfAborted();
  const { synced: bytes, etag, lastModified } = part.note;
  const sha256 = await ours("spool", () => sum.end(part.file, bytes));
  return { bytes, sha256, ...verdict, etag, lastModified };
}

type Verdict = Proof | NotMediaYet;

async function judge(
  { given, part }: Attempt,
  framing: { announced: number | null; isFramed: boolean },
): Promise<Verdict> {
  const { kind, duration, mediumId } = given.job;
  const file = { path: partOf(given.spoolDir, mediumId), bytes: part.note.synced };
  return ours("spool", () =>
    verifyMedia({ ...file, ...framing, kind, duration }).catch((error) => {
      if (error instanceof NotMediaYet) return error;
      throw error;
    }),
  );
}

/** Unpacks what came packed, and judges that; `packed` is the verdict on what came. */
async function proveUnpacked(attempt: Attempt, packed: Verdict): Promise<Verdict> {
  const { given, part, sum, reservation, stop } = attempt;
  const { spoolDir, job } = given;
  const coding = part.note.coding!;
  const to = unpackedOf(spoolDir, job.mediumId);
  const { bytes, why } = await unpack({
    from: partOf(spoolDir, job.mediumId),
    to,
    coding,
    maxSize: given.config.maxSize,
    checkRoom: () => reservation.check(),
    signal: stop.signal,
  });
  if (why === null) {
    await ours("spool", () => part.replaceBy(to, bytes));
    sum.restart();
    return judge(attempt, { announced: bytes, isFramed: true });
  }
  await ours("spool", () => rm(to, { force: true }));
  const isMedia = packed instanceof NotMediaYet || packed.contentType.startsWith(KINDS[job.kind]);
  return isMedia ? packed : new NotMediaYet(`it does not unpack (${coding}): ${why}`, { isRemainder: true });
}

const KINDS = { video: "video/", thumbnail: "image/" } as const;
