import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Config } from "../../config/schema.ts";
import type { Lease } from "../../jobs/worker.ts";
import type { DownloadJob, DownloadOutcome } from "../../model/job.ts";
import type { Copy, SpooledFile } from "../../model/medium.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { openHasher } from "../../platform/files/hash-thread.ts";
import type { Outbound } from "../../platform/net/outbound.ts";
import { within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { isTypeOf } from "../../rules/media-types.ts";
import { asLocalFailure, InvalidContent, LocalFailure, PermanentFailure } from "../errors.ts";
import { type Checksum, startChecksum } from "../spool/checksum.ts";
import type { DiskBudget, Reservation } from "../spool/disk-budget.ts";
import type { InProgress } from "../spool/in-progress.ts";
import { linkHash } from "../spool/resume-state.ts";
import { type SpoolPaths, spoolPaths } from "../spool/spool.ts";
import { type Verdict, verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { judgeFailure } from "./failure.ts";
import { fetchMedia, type Resume } from "./fetch.ts";
import type { LocalFailures } from "./local-failures.ts";
import { findStart, openPartialFile, type PartialFile } from "./partial-file.ts";
import { nameBodyError, refusesBody } from "./protocol-errors.ts";
import { type Limits, watchRate } from "./rate-limits.ts";
import { keepRemainder } from "./remainder.ts";
import { writeBody } from "./write-body.ts";

/** Timeout for looking up an existing copy, in milliseconds. */
const LOOKUP_TIMEOUT = 3_000;

/** Shared by all downloads; its thread starts with the first large file and exits when idle. */
const hasher = openHasher();

/** What all attempts share. */
export type Downloading = {
  config: Pick<Config["mirror"], "maxSize">;
  outbound: Outbound;
  ports: Pick<Ports, "clock">;
  spoolDir: string;
  diskBudget: DiskBudget;
  limits: Limits;
  inProgress: Pick<InProgress, "note">;
  failures: Pick<LocalFailures, "add">;
  /** Whether a target still has a copy; null: unknown. */
  heldCopy(copy: Copy): Promise<boolean | null>;
};

/** One attempt at a job. */
type Attempt = Downloading & {
  job: DownloadJob;
  paths: SpoolPaths;
  yieldSlot(): void;
  stop(reason: Error): void;
  /** Aborted by `stop`, and with the lease. */
  signal: AbortSignal;
  /** When the request was sent; null: it was not. */
  requestedAt: number | null;
  /** It failed, but bytes came beyond those of earlier attempts, and the next one resumes from them. */
  hasProgressed: boolean;
};

/** The file that an attempt writes. */
type Transfer = { part: PartialFile; checksum: Checksum; reservation: Reservation };

type Fetched = Extract<DownloadOutcome, { is: "spooled" | "unchanged" }>;

/** Fetches the file of a job into the spool, or says what the failure to do so means; null: the lease has ended. */
export async function attemptDownload(
  shared: Downloading,
  job: DownloadJob,
  { signal, yieldSlot }: Pick<Lease, "signal" | "yieldSlot">,
): Promise<DownloadOutcome | null> {
  const stop = new AbortController();
  const attempt: Attempt = {
    ...shared,
    job,
    paths: spoolPaths(shared.spoolDir, job.mediumId),
    yieldSlot,
    stop: (reason) => stop.abort(reason),
    signal: AbortSignal.any([signal, stop.signal]),
    requestedAt: null,
    hasProgressed: false,
  };
  const outcomeOf = (error: unknown) => judgeFailure(error, { ...attempt, now: attempt.ports.clock.now() });
  try {
    return await fetchIntoSpool(attempt);
  } catch (error) {
    if (signal.aborted) return null;
    const outcome = outcomeOf(error);
    if (outcome.is === "retry" || error instanceof PermanentFailure) return outcome;
    // No better file will come: the best of the earlier attempts is kept.
    return keepRemainder({ ...shared, job, signal }).then(
      (file) => (file === null ? outcome : { is: "spooled", file }),
      (trouble) => (signal.aborted ? null : outcomeOf(trouble)),
    );
  }
}

/**
 * Fetches the file, validates it, and makes it durable under its final name; resumes from what an earlier attempt left. A
 * complete video is not requested again; a complete picture is, because it may have changed, and the old one is kept in case
 * the link gives nothing. After a throw the spool holds what the next attempt resumes from, and nothing else of this medium.
 */
async function fetchIntoSpool(attempt: Attempt): Promise<Fetched> {
  const { job, paths, spoolDir, diskBudget, signal } = attempt;
  await asLocalFailure("spool", () => makeFolder(spoolDir));
  const start = await asLocalFailure("spool", () => findStart(paths, job.kind, linkHash(job.url), signal));
  if (start.file !== null) return { is: "spooled", file: start.file };

  let reservation: Reservation | null = null;
  let part: PartialFile | null = null;
  const checksum = startChecksum(hasher, paths.part, signal);
  try {
    const left = start.total === null ? start.atLeast || null : start.total - start.synced;
    reservation = await diskBudget.reserve({ left, stop: attempt.stop });
    part = await asLocalFailure("spool", () => openPartialFile(paths, job.kind, start));
    const transfer = { part, checksum, reservation };
    const received = part.isComplete ? { isFramed: true } : await receive(attempt, transfer);
    if ("is" in received) return received;
    attempt.inProgress.note(job, null);
    const file = await validate(attempt, transfer, received.isFramed);
    await asLocalFailure("spool", () => transfer.part.finish(file));
    return { is: "spooled", file };
  } catch (error) {
    // What undici throws for an abort says nothing; the reason does.
    const cause = signal.aborted ? signal.reason : error;
    if (part !== null) {
      const isLow = cause instanceof LocalFailure && (await isDiskLow(diskBudget));
      await part.leave(cause, isLow).catch(() => {}); // The next attempt meets and reports the spool's failure.
      attempt.hasProgressed = part.hasProgressed;
    }
    throw cause;
  } finally {
    checksum.drop();
    await part?.close().catch(() => {});
    reservation?.release();
  }
}

const isDiskLow = (diskBudget: DiskBudget) =>
  diskBudget.check().then(
    () => false,
    () => true,
  );

/** `isFramed`: by HTTP's own framing the body is whole. */
type Received = { isFramed: boolean } | Extract<Fetched, { is: "unchanged" }>;

/** Receives the file. On a later attempt a body that only a strict parser refuses is requested again and read leniently. */
async function receive(attempt: Attempt, transfer: Transfer): Promise<Received> {
  try {
    return await request(attempt, transfer, false);
  } catch (error) {
    if (attempt.job.attempts === 0 || !refusesBody(error)) throw error;
    return request(attempt, transfer, true);
  }
}

/** Requests the file, or the rest of it, and writes it. */
async function request(attempt: Attempt, transfer: Transfer, lenient: boolean): Promise<Received> {
  const { config, job, limits, outbound, signal, stop } = attempt;
  const { clock } = attempt.ports;
  const { part, checksum, reservation } = transfer;
  const previous = part.state.synced === 0 ? await stillHeld(attempt) : null;
  let from = part.state.synced;
  let length = from;
  const left = () => (part.state.total === null ? null : part.state.total - length);
  let body: Readable | null = null;
  const stopWatching = watchRate(clock, limits, {
    bytes: () => length - from,
    onSlow(rate) {
      const secondsLeft = (left() ?? Number.POSITIVE_INFINITY) / rate;
      attempt.inProgress.note(job, { bytes: length - from, secondsLeft, stop });
      attempt.yieldSlot();
    },
    onHopeless: (reason) => stop(new Error(reason)),
  });
  try {
    signal.throwIfAborted();
    attempt.requestedAt = clock.now();
    const answer = await fetchMedia({
      outbound,
      url: job.url,
      previous,
      resume: await resumeOf(part),
      isLater: job.attempts > 0,
      lenient,
      signal,
      headersTimeout: limits.headers,
      idleTimeout: limits.idle,
    });
    if (answer.is === "unchanged") return { is: "unchanged", copy: previous! };
    body = answer.body;
    await asLocalFailure("spool", () => part.begin(answer));
    from = length = answer.from;
    if (from === 0) checksum.restart();
    if ((answer.total ?? 0) > config.maxSize)
      throw new PermanentFailure(`it is larger than mirror.maxSize: ${answer.total} of ${config.maxSize} bytes`);
    await reservation.resize(left());
    length = await writeBody(body, {
      file: part.file,
      from,
      maxSize: config.maxSize,
      onBytes(soFar) {
        length = soFar;
        reservation.left(left());
      },
      onWritten: checksum.written,
      onDurable: (soFar) => part.keep(soFar),
      checkSpace: () => reservation.check(),
    });
    return { isFramed: answer.isFramed };
  } catch (error) {
    // A body that is not read to its end would hold its connection.
    body?.destroy();
    throw body === null ? error : nameBodyError(error, { length, total: part.state.total });
  } finally {
    stopWatching();
  }
}

async function resumeOf(part: PartialFile): Promise<Resume | null> {
  const { synced: from, total, validator, lastModified } = part.state;
  if (from === 0 || validator === null) return null;
  return { from, total, validator, lastModified, tail: await asLocalFailure("spool", () => part.tail()) };
}

/** The copy for a conditional request: only one that its target is known to hold. */
async function stillHeld({ job, heldCopy, ports }: Attempt): Promise<Copy | null> {
  const { previous } = job;
  if (previous === null) return null;
  const isHeld = await within(LOOKUP_TIMEOUT, ports.clock, () => heldCopy(previous)).catch(() => null);
  return isHeld === true ? previous : null;
}

/** Validates the content and completes the checksum. Throws InvalidContent. */
async function validate(attempt: Attempt, transfer: Transfer, isFramed: boolean): Promise<SpooledFile> {
  const { part, checksum } = transfer;
  let verdict = await verdictOn(attempt, part, { announced: part.state.total, isFramed });
  const isGood = !(verdict instanceof InvalidContent) && verdict.suspect === null;
  // A body that is good media as it came has a false Content-Encoding.
  if (part.state.coding !== null && !isGood) verdict = await validateUnpacked(attempt, transfer, verdict);
  if (verdict instanceof InvalidContent) throw verdict;
  attempt.signal.throwIfAborted();
  const { synced: bytes, etag, lastModified } = part.state;
  const sha256 = await asLocalFailure("spool", () => checksum.end(part.file, bytes));
  return { bytes, sha256, ...verdict, etag, lastModified };
}

function verdictOn(
  { job, paths }: Attempt,
  part: PartialFile,
  framing: { announced: number | null; isFramed: boolean },
): Promise<Verdict> {
  const { kind, duration } = job;
  const file = { path: paths.part, bytes: part.state.synced };
  return asLocalFailure("spool", () => verifyMedia({ ...file, ...framing, kind, duration }));
}

/** Decodes an encoded body and validates that; `packed` is the verdict on the body as it came. */
async function validateUnpacked(attempt: Attempt, transfer: Transfer, packed: Verdict): Promise<Verdict> {
  const { job, paths, config, signal } = attempt;
  const { part, checksum, reservation } = transfer;
  const coding = part.state.coding!;
  const to = paths.unpacked;
  const { maxSize } = config;
  const checkSpace = () => reservation.check();
  const { bytes, why } = await unpack({ from: paths.part, to, coding, maxSize, checkSpace, signal });
  if (why === null) {
    await asLocalFailure("spool", () => part.replaceBy(to, bytes));
    checksum.restart();
    return verdictOn(attempt, part, { announced: bytes, isFramed: true });
  }
  await asLocalFailure("spool", () => rm(to, { force: true }));
  const isMedia = packed instanceof InvalidContent || isTypeOf(job.kind, packed.contentType);
  return isMedia ? packed : new InvalidContent(`it does not unpack (${coding}): ${why}`, { isPartial: true });
}
