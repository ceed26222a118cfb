import type { Readable } from "node:stream";
import type { Config } from "../config.ts";
import type { Copy, DownloadJob, Ports, SpooledFile } from "../domain.ts";
import { openHasher } from "../platform/hashing.ts";
import type { Outbound } from "../platform/net.ts";
import { writeBody } from "./arrive.ts";
import { type Sum, startSum } from "./digest.ts";
import { makeFolder } from "./durable.ts";
import { fetchMedia } from "./fetch.ts";
import { markOf } from "./note.ts";
import { type Limits, watchPace } from "./pace.ts";
import { openPart, type Part, readStart } from "./part.ts";
import type { Reservation, Room } from "./room.ts";
import { partOf } from "./spool.ts";
import { NeverMedia, NotMediaYet, OwnTrouble, ours } from "./trouble.ts";
import type { SlowDownload } from "./unfinished.ts";
import { verifyMedia } from "./verify.ts";

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
 * earlier attempt has left, without a request where that is all of it. Throws NeverMedia and RefusedAddress (asking again is
 * useless), OwnTrouble (not the link's fault), and anything else where asking again may help. After a throw the spool holds
 * what the next attempt can go on from, and nothing else of this medium.
 */
export async function prepareFile(given: Preparation): Promise<Prepared> {
  const { job, spoolDir, room } = given;
  await ours("spool", () => makeFolder(spoolDir));
  const start = await ours("spool", () => readStart(spoolDir, job, markOf(job.url)));
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
    part = await ours("spool", () => openPart(spoolDir, job.mediumId, start));
    const isWhole = part.note.synced > 0 && part.note.synced === part.note.total;
    const unchanged = isWhole ? null : await receive(given, part, sum, reservation, stop);
    if (unchanged !== null) return unchanged;
    given.onWhole();
    const file = await prove(given, part, sum, stop.signal);
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

/** Asks for the file, or for the rest of it, and writes it; null once it is whole. */
async function receive(
  given: Preparation,
  part: Part,
  sum: Sum,
  reservation: Reservation,
  stop: AbortController,
): Promise<Extract<Prepared, { is: "unchanged" }> | null> {
  const { config, job, limits } = given;
  const { synced, total, validator } = part.note;
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
      resume: from === 0 || validator === null ? null : { from, total, validator },
      signal: stop.signal,
      headersTimeout: limits.headers,
      idleTimeout: limits.idle,
    });
    if (answer.is === "unchanged") return { is: "unchanged", copy: previous! };
    body = answer.body;
    await ours("spool", () => part.begin(answer));
    from = length = answer.from;
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
    return null;
  } catch (error) {
    // Whatever failed, a body that was not read to its end would keep its connection.
    body?.destroy();
    throw error;
  } finally {
    stopWatching();
  }
}

/** The copy that a conditional request may speak of: only one that its target still holds, as far as that can be said. */
async function stillHeld({ job, heldCopy, ports }: Preparation): Promise<Copy | null> {
  const { previous } = job;
  if (previous === null) return null;
  let cancel = () => {};
  const late = new Promise<null>((resolve) => {
    cancel = ports.clock.after(PATIENCE, () => resolve(null));
  });
  const isHeld = await Promise.race([heldCopy(previous).catch(() => null), late]);
  cancel();
  return isHeld === true ? previous : null;
}

/** Judges what is there by its content, and sums it up. Throws NotMediaYet where it is not the media. */
async function prove(given: Preparation, part: Part, sum: Sum, signal: AbortSignal): Promise<SpooledFile> {
  const { job, spoolDir } = given;
  const { synced: bytes, total: announced, etag, lastModified } = part.note;
  const path = partOf(spoolDir, job.mediumId);
  const { kind, duration } = job;

  const verdict = await ours("spool", () =>
    verifyMedia({ path, kind, bytes, announced, duration }).catch((error) => {
      if (error instanceof NotMediaYet) return error;
      throw error;
    }),
  );
  if (verdict instanceof NotMediaYet) throw verdict;
  signal.throwIfAborted();
  const sha256 = await ours("spool", () => sum.end(part.file, bytes));
  return { bytes, sha256, ...verdict, etag, lastModified };
}
