import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Config } from "../../config/schema.ts";
import type { Lease } from "../../jobs/worker.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { Copy, SpooledFile } from "../../model/medium.ts";
import type { Outbound } from "../../platform/net/outbound.ts";
import { within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { isTypeOf } from "../../rules/media-types.ts";
import { asLocalFailure, InvalidContent, PermanentFailure } from "../errors.ts";
import type { DiskBudget, Reservation } from "../spool/disk-budget.ts";
import type { InProgress } from "../spool/in-progress.ts";
import type { SpoolPaths } from "../spool/spool.ts";
import { verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { fetchMedia } from "./fetch.ts";
import type { LocalFailures } from "./local-failures.ts";
import type { PartialFile } from "./partial-file.ts";
import { nameBodyError, refusesBody } from "./protocol-errors.ts";
import { type Limits, watchRate } from "./rate-limits.ts";

/** The way of one body: request → part → validated content. */

/** Timeout for looking up an existing copy, in milliseconds. */
const LOOKUP_TIMEOUT = 3_000;

/** What all attempts share. */
export type Downloading = {
  config: Pick<Config["mirror"], "maxSize">;
  outbound: Outbound;
  ports: Pick<Ports, "clock" | "metrics">;
  limits: Limits;
  inProgress: Pick<InProgress, "note">;
  /** Whether a target still has a copy; null, or a failure: unknown. */
  heldCopy(copy: Copy): Promise<boolean | null>;
  spoolDir: string;
  diskBudget: DiskBudget;
  failures: Pick<LocalFailures, "add">;
};

/** One attempt, and how far it has come. */
export type Attempt = Downloading & {
  job: DownloadJob;
  paths: SpoolPaths;
  lease: Pick<Lease, "signal" | "yieldSlot">;
  /** Aborted by `stop`, and when the lease ends. */
  signal: AbortSignal;
  stop(reason: Error): void;
  /** When its last request was sent; null: none was. */
  requestedAt: number | null;
  /** It has left more bytes than ever for the next one to resume from. */
  hasProgressed: boolean;
};

/** `isFramed`: by HTTP's own framing the body is whole. */
type Received = { is: "received"; isFramed: boolean } | { is: "unchanged"; copy: Copy };

/** Receives the file. On a later attempt a body that only a strict parser refuses is requested again, leniently. */
export async function receive(attempt: Attempt, part: PartialFile, room: Reservation): Promise<Received> {
  if (part.isComplete) return { is: "received", isFramed: true };
  try {
    return await request(attempt, part, room, false);
  } catch (error) {
    if (attempt.job.attempts === 0 || !refusesBody(error)) throw error;
    return request(attempt, part, room, true);
  }
}

/** Requests the file, or the rest of it, and writes it. */
async function request(attempt: Attempt, part: PartialFile, room: Reservation, lenient: boolean): Promise<Received> {
  const { config, outbound, limits, job, signal, stop } = attempt;
  const { clock, metrics } = attempt.ports;
  const { maxSize } = config;
  let from = part.state.synced;
  let length = from;
  const previous = from === 0 ? await copyThatIsHeld(attempt) : null;
  const left = () => (part.state.total === null ? null : part.state.total - length);
  let body: Readable | null = null;
  const stopWatching = watchRate(clock, limits, {
    bytes: () => length - from,
    onSlow(rate) {
      const secondsLeft = (left() ?? Number.POSITIVE_INFINITY) / rate;
      attempt.inProgress.note(job, { bytes: length - from, secondsLeft, stop });
      attempt.lease.yieldSlot();
    },
    onHopeless: (reason) => stop(new Error(reason)),
  });
  try {
    signal.throwIfAborted();
    attempt.requestedAt = clock.now();
    const resume = await asLocalFailure("spool", () => part.resumePoint());
    const answer = await fetchMedia({ outbound, job, previous, resume, lenient, signal, limits });
    if (answer.is === "unchanged") return { is: "unchanged", copy: previous! };
    body = answer.body;
    await asLocalFailure("spool", () => part.begin(answer));
    from = length = answer.from;
    if ((answer.total ?? 0) > maxSize)
      throw new PermanentFailure(`it is larger than mirror.maxSize: ${answer.total} of ${maxSize} bytes`);
    await room.resize(left());
    const onBytes = (soFar: number) => {
      length = soFar;
      room.left(left());
    };
    await part.write(body, { maxSize, onBytes, checkSpace: room.check });
    return { is: "received", isFramed: answer.isFramed };
  } catch (error) {
    // A body that is not read to its end would hold its connection.
    body?.destroy();
    throw body === null ? error : nameBodyError(error, { length, total: part.state.total });
  } finally {
    stopWatching();
    metrics?.mediaMoved("downloaded", length - from);
  }
}

/** The copy for a conditional request: only one that its target is known to hold. */
async function copyThatIsHeld({ job, heldCopy, ports }: Attempt): Promise<Copy | null> {
  const { previous } = job;
  if (previous === null) return null;
  const isHeld = await within(LOOKUP_TIMEOUT, ports.clock, () => heldCopy(previous)).catch(() => null);
  return isHeld === true ? previous : null;
}

/** Validates the content, decoded where that is needed, and completes its sum. Throws InvalidContent. */
export async function validate(
  { config, job, paths, signal }: Attempt,
  part: PartialFile,
  room: Reservation,
  isFramed: boolean,
): Promise<SpooledFile> {
  const { kind, duration } = job;
  const { total, coding, etag, lastModified } = part.state;
  const verify = (announced: number | null, isFramed: boolean) => {
    const file = { path: paths.part, bytes: part.state.synced };
    return asLocalFailure("spool", () => verifyMedia({ ...file, announced, isFramed, kind, duration }));
  };
  let verdict = await verify(total, isFramed);
  // A body that is good media as it came has a false Content-Encoding.
  if (coding !== null && (verdict instanceof InvalidContent || verdict.suspect !== null)) {
    const [from, to] = [paths.part, paths.unpacked];
    const { bytes, why } = await unpack({ from, to, coding, maxSize: config.maxSize, checkSpace: room.check, signal });
    if (why === null) {
      await asLocalFailure("spool", () => part.replaceBy(to, bytes));
      verdict = await verify(bytes, true);
    } else {
      await asLocalFailure("spool", () => rm(to, { force: true }));
      if (!(verdict instanceof InvalidContent || isTypeOf(kind, verdict.contentType)))
        verdict = new InvalidContent(`it does not unpack (${coding}): ${why}`, { isPartial: true });
    }
  }
  if (verdict instanceof InvalidContent) throw verdict;
  signal.throwIfAborted();
  const sha256 = await asLocalFailure("spool", () => part.sha256());
  return { bytes: part.state.synced, sha256, ...verdict, etag, lastModified };
}
