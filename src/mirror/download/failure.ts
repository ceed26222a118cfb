import { errorLine } from "../../errors.ts";
import type { DownloadJob, DownloadOutcome } from "../../model/job.ts";
import { RefusedAddress } from "../../platform/net/outbound.ts";
import type { Log } from "../../ports.ts";
import { mediaBackoff, mediaRetry } from "../../rules/schedule.ts";
import { GaveWay, NeverMedia, NotServed, OwnTrouble } from "../errors.ts";
import { type Alarm, kindOf } from "./own-trouble.ts";
import type { Limits } from "./rate-limits.ts";

/** The provider tells of a file a little before its storage has it: for so long after the event (ms) it is not ready yet. */
const READY_WITHIN = 10 * 60_000;

const NOT_READY = "not ready yet";

/** Trouble of our own that costs a request each time is looked at again in longer and longer waits, up to this one. */
const LONGEST_WAIT = 300_000;

/**
 * What a failed attempt means, as of now. Trouble of our own never fails a link and uses up no attempt; a link expires only
 * by a request that was sent past its deadline, and not while it gives bytes.
 */
export function judgeFailure(
  error: unknown,
  attempt: {
    job: DownloadJob;
    now: number;
    /** When the request was sent; null: none was. */
    requestedAt: number | null;
    /** Bytes came that the next attempt goes on from. */
    progressed: boolean;
    limits: Pick<Limits, "ownTrouble">;
    alarm: Alarm;
  },
): Extract<DownloadOutcome, { is: "retry" | "failed" | "expired" }> {
  const { job, now, requestedAt, progressed, limits, alarm } = attempt;
  const line = lineOf(error, job, now);
  if (error instanceof OwnTrouble || requestedAt === null) {
    const times = alarm.raise(kindOf(error), job.mediumId, line);
    const wait = limits.ownTrouble * (requestedAt === null ? 1 : 2 ** Math.min(times - 1, 16));
    return { is: "retry", error: line, at: now + Math.min(wait, LONGEST_WAIT), own: true };
  }
  if (error instanceof RefusedAddress || error instanceof NeverMedia) return { is: "failed", error: line };
  const number = progressed ? 1 : job.attempts + 1;
  const going = progressed ? { progressed } : {};
  if (requestedAt < job.deadline) {
    return { is: "retry", error: line, at: mediaRetry({ attempt: number, now, deadline: job.deadline }), ...going };
  }
  if (!progressed && !(error instanceof GaveWay)) return { is: "expired", error: line };
  return { is: "retry", error: line, at: now + mediaBackoff(number), ...going };
}

function lineOf(error: unknown, job: DownloadJob, now: number): string {
  const line = errorLine(error).slice(0, 500);
  const isEarly = now - job.receivedAt < READY_WITHIN;
  const isMissing = error instanceof NotServed && (error.status === 403 || error.status === 404);
  return isEarly && isMissing ? `${line}: ${NOT_READY}` : line;
}

/** One line for each outcome; links are never in it, only their hosts. */
export function reportOutcome(log: Log, job: DownloadJob, outcome: DownloadOutcome, took: number): void {
  const { mediumId: medium, videoId: video, eventId: event, kind, host } = job;
  const about = { medium, video, event, kind };
  if (outcome.is === "spooled") {
    const { bytes, sha256, contentType, suspect } = outcome.file;
    const ms = Math.round(took);
    log.info("media downloaded", { ...about, bytes, sha256, contentType, ms, ...(suspect && { suspect }) });
    return;
  }
  if (outcome.is === "unchanged") return log.info("media unchanged", { ...about, key: outcome.copy.key });
  const failure = { ...about, host, error: outcome.error, attempt: job.attempts + 1 };
  if (outcome.is !== "retry") return log.warn("media not mirrored", { ...failure, state: outcome.is });
  const retry = { ...failure, nextAt: new Date(outcome.at).toISOString() };
  // The alarm has told of it, once for all who meet it.
  if (outcome.own) log.debug("media cannot be kept", retry);
  else if (outcome.error.endsWith(NOT_READY)) log.info("media not ready yet", retry);
  else log.warn("media not mirrored yet", retry);
}
