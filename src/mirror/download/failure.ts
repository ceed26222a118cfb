import { errorLine } from "../../errors.ts";
import type { DownloadJob, DownloadOutcome } from "../../model/job.ts";
import type { SampledLog } from "../../platform/log/limited-log.ts";
import { RefusedAddress } from "../../platform/net/outbound.ts";
import type { Log } from "../../ports.ts";
import { doublingWait, LOCAL_WAITS, mediaBackoff, mediaRetry } from "../../rules/schedule.ts";
import { HttpStatusError, LocalFailure, PermanentFailure, Preempted, resourceOf } from "../errors.ts";
import type { Attempt } from "./transfer.ts";

/** The provider may announce a file this long (milliseconds) before its storage has it. */
const READY_WITHIN = 10 * 60_000;

const NOT_READY = "not ready yet";

/**
 * What a failed attempt means. A local failure never fails a link and uses up no attempt. A link expires only when a request
 * past its deadline has failed without bringing new bytes.
 */
export function judgeFailure(
  error: unknown,
  attempt: Pick<Attempt, "job" | "ports" | "requestedAt" | "hasProgressed" | "failures">,
): Extract<DownloadOutcome, { is: "retry" | "failed" | "expired" }> {
  const { job, requestedAt, hasProgressed: progressed, failures } = attempt;
  const now = attempt.ports.clock.now();
  const line = lineOf(error, job, now);
  if (error instanceof LocalFailure || requestedAt === null) {
    const times = failures.add(resourceOf(error), job.mediumId, line);
    // Only an attempt that costs a request waits longer each time.
    const wait = doublingWait(requestedAt === null ? 1 : times, LOCAL_WAITS);
    return { is: "retry", error: line, at: now + wait, own: true };
  }
  if (error instanceof RefusedAddress || error instanceof PermanentFailure) return { is: "failed", error: line };
  const number = progressed ? 1 : job.attempts + 1;
  const more = progressed ? { progressed } : {};
  if (requestedAt < job.deadline) {
    return { is: "retry", error: line, at: mediaRetry({ attempt: number, now, deadline: job.deadline }), ...more };
  }
  if (!progressed && !(error instanceof Preempted)) return { is: "expired", error: line };
  return { is: "retry", error: line, at: now + mediaBackoff(number), ...more };
}

function lineOf(error: unknown, job: DownloadJob, now: number): string {
  const line = errorLine(error).slice(0, 500);
  const isEarly = now - job.receivedAt < READY_WITHIN;
  const isMissing = error instanceof HttpStatusError && (error.status === 403 || error.status === 404);
  return isEarly && isMissing ? `${line}: ${NOT_READY}` : line;
}

/**
 * Logs an outcome in one line, with the link's host but never the link. A file that came is a line when its copy is in the
 * target; failures of one host that are alike are sampled.
 */
export function reportOutcome(
  { log, sampled }: { log: Log; sampled: SampledLog },
  job: DownloadJob,
  outcome: DownloadOutcome,
  took: number,
): void {
  const { mediumId: medium, videoId: video, eventId: event, kind, host } = job;
  const about = { medium, video, event, kind };
  if (outcome.is === "spooled") {
    const { bytes, sha256, contentType, suspect } = outcome.file;
    const ms = Math.round(took);
    log.debug("media downloaded", { ...about, bytes, sha256, contentType, ms, ...(suspect && { suspect }) });
    return;
  }
  if (outcome.is === "unchanged") return log.debug("media unchanged", { ...about, key: outcome.copy.key });
  const failure = { ...about, host, error: outcome.error, attempt: job.attempts + 1 };
  if (outcome.is !== "retry") return log.warn("media not mirrored", { ...failure, state: outcome.is });
  const retry = { ...failure, nextAt: new Date(outcome.at).toISOString() };
  // Local failures are logged once for all downloads that meet them.
  if (outcome.own) log.debug("media not mirrored yet", retry);
  else if (outcome.error.endsWith(NOT_READY)) sampled("info", host, "media not ready yet", retry);
  else sampled("warn", `${host} ${outcome.error}`, "media not mirrored yet", retry);
}
