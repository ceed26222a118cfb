import type { Lease } from "../../jobs/worker.ts";
import type { DownloadJob, DownloadOutcome } from "../../model/job.ts";
import { makeFolder } from "../../platform/files/file-system.ts";
import { asLocalFailure, LocalFailure, PermanentFailure } from "../errors.ts";
import type { Reservation } from "../spool/disk-budget.ts";
import { linkHash } from "../spool/resume-state.ts";
import { spoolPaths } from "../spool/spool.ts";
import { judgeFailure } from "./failure.ts";
import { findStart, openPartialFile, type PartialFile } from "./partial-file.ts";
import { keepRemainder } from "./remainder.ts";
import { type Attempt, type Downloading, receive, validate } from "./transfer.ts";

/** Fetches the file of a job into the spool; a failure becomes the outcome that it means. Null: the lease has ended. */
export async function attemptDownload(
  shared: Downloading,
  job: DownloadJob,
  lease: Pick<Lease, "signal" | "yieldSlot">,
): Promise<DownloadOutcome | null> {
  const stopping = new AbortController();
  const attempt: Attempt = {
    ...shared,
    job,
    paths: spoolPaths(shared.spoolDir, job.mediumId),
    lease,
    signal: AbortSignal.any([lease.signal, stopping.signal]),
    stop: (reason) => stopping.abort(reason),
    requestedAt: null,
    hasProgressed: false,
  };
  try {
    return await fetchIntoSpool(attempt);
  } catch (error) {
    if (lease.signal.aborted) return null;
    const outcome = judgeFailure(error, attempt);
    if (outcome.is === "retry" || error instanceof PermanentFailure) return outcome;
    // No better file will come: the best of the earlier attempts is kept.
    return keepRemainder(attempt).then(
      (file) => (file === null ? outcome : { is: "spooled", file }),
      (trouble) => (lease.signal.aborted ? null : judgeFailure(trouble, attempt)),
    );
  }
}

/**
 * Fetches the file, validates it, and makes it durable under its final name; resumes from what an earlier attempt left. A
 * complete video is not requested again; a complete picture is, because it may have changed, and the old one is kept in
 * case the link gives nothing. After a throw the spool holds what the next attempt resumes from, and nothing else of this
 * medium.
 */
async function fetchIntoSpool(attempt: Attempt): Promise<Extract<DownloadOutcome, { is: "spooled" | "unchanged" }>> {
  const { job, paths, signal, stop, spoolDir, diskBudget } = attempt;
  const { kind, url } = job;
  await asLocalFailure("spool", () => makeFolder(spoolDir));
  const start = await asLocalFailure("spool", () => findStart(paths, kind, linkHash(url), signal));
  if (start.file !== null) return { is: "spooled", file: start.file };

  let room: Reservation | null = null;
  let part: PartialFile | null = null;
  try {
    const left = start.total === null ? start.atLeast || null : start.total - start.synced;
    room = await diskBudget.reserve({ left, stop });
    const opened = await asLocalFailure("spool", () => openPartialFile(paths, kind, start, signal));
    part = opened;
    const received = await receive(attempt, opened, room);
    if (received.is === "unchanged") return received;
    attempt.inProgress.note(job, null);
    const file = await validate(attempt, opened, room, received.isFramed);
    await asLocalFailure("spool", () => opened.finish(file));
    return { is: "spooled", file };
  } catch (error) {
    // What undici throws for an abort says nothing; the reason does.
    const cause = signal.aborted ? signal.reason : error;
    if (part !== null) {
      const [space] = await Promise.allSettled([diskBudget.check()]);
      const isLow = cause instanceof LocalFailure && space.status === "rejected";
      await part.leave(cause, isLow).catch(() => {}); // The next attempt meets and reports the spool's failure.
      attempt.hasProgressed = part.hasProgressed;
    }
    throw cause;
  } finally {
    await part?.close().catch(() => {});
    room?.release();
  }
}
