import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Config } from "../../config/schema.ts";
import type { DownloadJob } from "../../model/job.ts";
import type { Copy, SpooledFile } from "../../model/medium.ts";
import type { Outbound } from "../../platform/net/outbound.ts";
import { within } from "../../platform/timing.ts";
import type { Ports } from "../../ports.ts";
import { isTypeOf } from "../../rules/media-types.ts";
import { asLocalFailure, InvalidContent, PermanentFailure } from "../errors.ts";
import type { Checksum } from "../spool/checksum.ts";
import type { Reservation } from "../spool/disk-budget.ts";
import type { InProgress } from "../spool/in-progress.ts";
import type { SpoolPaths } from "../spool/spool.ts";
import { type Verdict, verifyMedia } from "../validate/validate.ts";
import { unpack } from "./content-coding.ts";
import { fetchMedia } from "./fetch.ts";
import type { PartialFile } from "./partial-file.ts";
import { nameBodyError, refusesBody } from "./protocol-errors.ts";
import { type Limits, watchRate } from "./rate-limits.ts";
import type { Resume } from "./resume.ts";
import { writeBody } from "./write-body.ts";

/** Timeout for looking up an existing copy, in milliseconds. */
const LOOKUP_TIMEOUT = 3_000;

export type TransferParts = {
  config: Pick<Config["mirror"], "maxSize">;
  outbound: Outbound;
  ports: Pick<Ports, "clock">;
  limits: Limits;
  inProgress: Pick<InProgress, "note">;
  /** Whether a target still has a copy; null: unknown. */
  heldCopy(copy: Copy): Promise<boolean | null>;
  job: DownloadJob;
  paths: SpoolPaths;
  /** Ends the transfer; so does the lease. */
  stop(reason: Error): void;
  signal: AbortSignal;
  yieldSlot(): void;
  /** Called when a request is about to be sent. */
  onRequest(): void;
  part: PartialFile;
  checksum: Checksum;
  reservation: Reservation;
};

/** `isFramed`: by HTTP's own framing the body is whole. */
type Received = { is: "received"; isFramed: boolean } | { is: "unchanged"; copy: Copy };

/** The way of one body: request → part → validated content. */
export function createTransfer(parts: TransferParts) {
  const { config, outbound, limits, job, paths, stop, signal, part, checksum, reservation } = parts;
  const { clock } = parts.ports;
  const { maxSize } = config;
  const checkSpace = () => reservation.check();

  /** The copy for a conditional request: only one that its target is known to hold. */
  async function heldCopy(): Promise<Copy | null> {
    const { previous } = job;
    if (previous === null) return null;
    const isHeld = await within(LOOKUP_TIMEOUT, clock, () => parts.heldCopy(previous)).catch(() => null);
    return isHeld === true ? previous : null;
  }

  async function resumePoint(): Promise<Resume | null> {
    const { synced: from, total, validator, lastModified } = part.state;
    if (from === 0 || validator === null) return null;
    return { from, total, validator, lastModified, tail: await asLocalFailure("spool", () => part.tail()) };
  }

  /** Requests the file, or the rest of it, and writes it. */
  async function request(lenient: boolean): Promise<Received> {
    let from = part.state.synced;
    let length = from;
    const previous = from === 0 ? await heldCopy() : null;
    const left = () => (part.state.total === null ? null : part.state.total - length);
    let body: Readable | null = null;
    const stopWatching = watchRate(clock, limits, {
      bytes: () => length - from,
      onSlow(rate) {
        const secondsLeft = (left() ?? Number.POSITIVE_INFINITY) / rate;
        parts.inProgress.note(job, { bytes: length - from, secondsLeft, stop });
        parts.yieldSlot();
      },
      onHopeless: (reason) => stop(new Error(reason)),
    });
    try {
      signal.throwIfAborted();
      parts.onRequest();
      const answer = await fetchMedia({
        outbound,
        url: job.url,
        previous,
        resume: await resumePoint(),
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
      if ((answer.total ?? 0) > maxSize)
        throw new PermanentFailure(`it is larger than mirror.maxSize: ${answer.total} of ${maxSize} bytes`);
      await reservation.resize(left());
      length = await writeBody(body, {
        file: part.file,
        from,
        maxSize,
        onBytes(soFar) {
          length = soFar;
          reservation.left(left());
        },
        onWritten: checksum.written,
        onDurable: (soFar) => part.keep(soFar),
        checkSpace,
      });
      return { is: "received", isFramed: answer.isFramed };
    } catch (error) {
      // A body that is not read to its end would hold its connection.
      body?.destroy();
      throw body === null ? error : nameBodyError(error, { length, total: part.state.total });
    } finally {
      stopWatching();
    }
  }

  function verify(framing: { announced: number | null; isFramed: boolean }): Promise<Verdict> {
    const { kind, duration } = job;
    const file = { path: paths.part, bytes: part.state.synced };
    return asLocalFailure("spool", () => verifyMedia({ ...file, ...framing, kind, duration }));
  }

  /** Decodes an encoded body and validates that; `packed` is the verdict on the body as it came. */
  async function verifyUnpacked(coding: string, packed: Verdict): Promise<Verdict> {
    const to = paths.unpacked;
    const { bytes, why } = await unpack({ from: paths.part, to, coding, maxSize, checkSpace, signal });
    if (why === null) {
      await asLocalFailure("spool", () => part.replaceBy(to, bytes));
      checksum.restart();
      return verify({ announced: bytes, isFramed: true });
    }
    await asLocalFailure("spool", () => rm(to, { force: true }));
    const isMedia = packed instanceof InvalidContent || isTypeOf(job.kind, packed.contentType);
    return isMedia ? packed : new InvalidContent(`it does not unpack (${coding}): ${why}`, { isPartial: true });
  }

  return {
    /** Receives the file. On a later attempt a body that only a strict parser refuses is requested again, leniently. */
    async receive(): Promise<Received> {
      if (part.isComplete) return { is: "received", isFramed: true };
      try {
        return await request(false);
      } catch (error) {
        if (job.attempts === 0 || !refusesBody(error)) throw error;
        return request(true);
      }
    },

    /** Validates the content and completes the checksum. Throws InvalidContent. */
    async validate(isFramed: boolean): Promise<SpooledFile> {
      let verdict = await verify({ announced: part.state.total, isFramed });
      const isGood = !(verdict instanceof InvalidContent) && verdict.suspect === null;
      // A body that is good media as it came has a false Content-Encoding.
      if (part.state.coding !== null && !isGood) verdict = await verifyUnpacked(part.state.coding, verdict);
      if (verdict instanceof InvalidContent) throw verdict;
      signal.throwIfAborted();
      const { synced: bytes, etag, lastModified } = part.state;
      const sha256 = await asLocalFailure("spool", () => checksum.end(part.file, bytes));
      return { bytes, sha256, ...verdict, etag, lastModified };
    },
  };
}
