import { lstat, rm, stat } from "node:fs/promises";
import type { Config } from "../../config/schema.ts";
import { errorLine, LeaseLost } from "../../errors.ts";
import type { Queue } from "../../jobs/worker.ts";
import { LEASE, type UploadJob, type UploadOutcome } from "../../model/job.ts";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { createSampledLog } from "../../platform/log/limited-log.ts";
import type { Ports } from "../../ports.ts";
import { type Doubling, doublingWait, LOCAL_WAITS } from "../../rules/schedule.ts";
import type { Store } from "../../store/store.ts";
import { type MirrorTarget, SpoolChanged } from "../../targets/target.ts";
import type { CopyLocks } from "../copy-locks.ts";
import { spoolPaths } from "../spool/spool.ts";
import { findCopy, putCopy } from "./put-copy.ts";
import type { TargetHealth } from "./target-health.ts";

/** Uploads: validated file of the spool → key → put into the target → medium mirrored → file removed from the spool. */

/** Milliseconds after which a validated file may have rotted on its disk: its hash is checked again during the upload. */
const FRESH = 10 * 60_000;

/** With one slot a large file would hold up small ones. */
const LEAST_SLOTS = 2;

/** An upload is retried without end: the link may be dead, and the file the only copy. */
export function uploadQueue(options: {
  config: Pick<Config["mirror"], "key" | "concurrency">;
  store: Pick<Store, "claimUploads" | "refreshUpload" | "placeUpload" | "settleUpload" | "shared">;
  target: MirrorTarget;
  /** The store's id of the target's place. */
  targetId: string;
  ports: Pick<Ports, "clock" | "log" | "metrics">;
  spoolDir: string;
  targetHealth: TargetHealth;
  /** Shared with the deletions. */
  locks: CopyLocks;
  waits?: Doubling;
}): Queue<UploadJob> {
  const { config, store, target, targetId, spoolDir, targetHealth, locks, waits = LOCAL_WAITS } = options;
  const { clock, log, metrics } = options.ports;
  const sampled = createSampledLog(log, clock);

  async function upload(job: UploadJob, signal: AbortSignal): Promise<UploadOutcome> {
    const place = async (key: string, passed: string[]) => {
      if (!(await store.placeUpload(job, { target: targetId, key, passed }))) throw new LeaseLost("the claim was lost");
    };
    const { file } = spoolPaths(spoolDir, job.mediumId);
    const copy = { target, targetId, template: config.key, job, isShared: store.shared !== null, signal };
    // A folder that is gone, a disk that is not mounted, may come back with its files.
    if (!(await lstat(spoolDir).catch(nullWhereMissing))?.isDirectory()) {
      return { is: "retry", error: `spool: ${spoolDir} is not there, or no folder`, at: clock.now() + waits.first };
    }
    const found = await stat(file).catch(nullWhereMissing);
    if (found?.size === job.file.bytes) {
      const again = job.isRepeated || clock.now() - found.mtimeMs >= FRESH;
      return { is: "mirrored", target: targetId, key: await putCopy(copy, { file, again, place }) };
    }
    // A crash may have come between the upload and its settling.
    const key = await findCopy(copy);
    if (key !== null) return { is: "mirrored", target: targetId, key };
    if (found === null) return { is: "lost", error: "its file is gone from the spool" };
    return { is: "lost", error: `its file in the spool has ${found.size} bytes, not ${job.file.bytes}` };
  }

  /** When to retry: at a fixed interval while the target is down, else after a doubling wait. */
  async function judgeFailure(error: unknown, job: UploadJob): Promise<UploadOutcome> {
    if (error instanceof SpoolChanged) return { is: "lost", error: errorLine(error) };
    const isDown = await targetHealth.failed(error);
    // Nothing is claimed while the target is down, so the short wait costs nothing, and uploads resume as soon as it is back.
    const wait = isDown ? waits.first : doublingWait(job.attempts + 1, waits);
    const line = `target: ${errorLine(error)}`.slice(0, 500);
    const at = clock.now() + wait;
    const fields = { ...fieldsOf(job), error: line, attempt: job.attempts + 1, nextAt: new Date(at).toISOString() };
    // A target that is down is logged once, by its health.
    if (isDown) log.debug("media not uploaded yet", fields);
    else sampled("warn", line, "media not uploaded yet", fields);
    return { is: "retry", error: line, at };
  }

  async function run(claimed: UploadJob, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // The claim may have been lost while the job waited for the lock; a thumbnail must not replace a newer one.
    const fresh = await store.refreshUpload(claimed, LEASE);
    if (fresh === null) return;
    // The same object, because the worker updates its claim in place.
    const job = Object.assign(claimed, fresh);
    const started = clock.elapsed();
    const outcome = await upload(job, signal).catch((error) =>
      signal.aborted || error instanceof LeaseLost ? null : judgeFailure(error, job),
    );
    if (outcome === null) return;
    if (outcome.is === "mirrored") targetHealth.worked();
    else if (signal.aborted) return;
    // The download that follows must not resume from a damaged file.
    const { file } = spoolPaths(spoolDir, job.mediumId);
    if (outcome.is === "lost") await rm(file, { force: true });
    // A finished upload is settled also at a stop. If the claim was lost meanwhile, a deletion job has the key.
    const { settled } = await store.settleUpload(job, outcome, clock.now());
    if (!settled) return;
    const fields = fieldsOf(job);
    if (outcome.is === "lost")
      log.warn("spooled media lost, to be downloaded again", { ...fields, error: outcome.error });
    if (outcome.is !== "mirrored") return;
    const { bytes, sha256, contentType, suspect } = job.file;
    metrics?.mediaMoved("uploaded", bytes);
    metrics?.mediumSettled(job.kind, "mirrored");
    const more = { key: outcome.key, bytes, sha256, contentType, ms: Math.round(clock.elapsed() - started) };
    log.info("media mirrored", { ...fields, ...more, ...(suspect && { suspect }) });
    await rm(file, { force: true }).catch((error) =>
      log.warn("spooled file not removed", { ...fields, error: errorLine(error) }),
    );
  }

  return {
    name: "upload",
    concurrency: Math.max(LEAST_SLOTS, config.concurrency),

    claim: (wish) => store.claimUploads(targetHealth.mayTry() ? wish : { ...wish, limit: 0 }),

    run: (job, { signal }) => locks.withLock(job.videoId, job.kind, () => run(job, signal)),
  };
}

function fieldsOf({ mediumId, videoId, eventId, kind }: UploadJob) {
  return { medium: mediumId, video: videoId, event: eventId, kind };
}
