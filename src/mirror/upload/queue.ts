import { lstat, rm, stat } from "node:fs/promises";
import type { Config } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import { HELD_BACK, type Queue } from "../../jobs/worker.ts";
import { LEASE, type UploadJob, type UploadOutcome } from "../../model/job.ts";
import { nullWhereMissing } from "../../platform/files/durable.ts";
import type { Turns } from "../../platform/keyed-mutex.ts";
import type { Ports } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { type MirrorTarget, SpoolChanged } from "../../targets/target.ts";
import { fileOf } from "../spool/spool.ts";
import { turnOf } from "../turn.ts";
import { findCopy, keepCopy } from "./put-copy.ts";
import type { TargetHealth } from "./target-health.ts";

/** Milliseconds. */
export type UploadLimits = {
  /** The wait after a first failure, and while the target is down; it doubles with each failure that is the file's own… */
  firstWait: number;
  /** … up to this. There is no last try. */
  longestWait: number;
};

const LIMITS: UploadLimits = { firstWait: 10_000, longestWait: 300_000 };

/** A file that was proven so long ago (milliseconds) may have rotted on its disk: it is proven again on its way. */
const FRESH = 10 * 60_000;

/** Even where downloads come one at a time, a large file holds up no small one. */
const LEAST_AT_ONCE = 2;

export type UploadOptions = {
  config: Pick<Config["mirror"], "key" | "concurrency">;
  store: Pick<Store, "claimUploads" | "refreshUpload" | "placeUpload" | "settleUpload">;
  target: MirrorTarget;
  /** The store's id of the target's place. */
  targetId: string;
  ports: Pick<Ports, "clock" | "log">;
  spoolDir: string;
  targetHealth: TargetHealth;
  /** Shared with the deletions. */
  inTurn: Turns;
  limits?: Partial<UploadLimits>;
};

/**
 * The queue of uploads: each proven file of the spool goes into the target, and leaves the spool once the target has
 * confirmed it. It is never given up: the link may be dead by now, and this may be the only copy there is.
 */
export function createUploads(options: UploadOptions): Queue<UploadJob> {
  const { config, store, target, targetId, spoolDir, targetHealth, inTurn } = options;
  const { clock, log } = options.ports;
  const { firstWait, longestWait } = { ...LIMITS, ...options.limits };

  async function keep(job: UploadJob, signal: AbortSignal): Promise<UploadOutcome> {
    const place = async (key: string, passed: string[]) => {
      if (!(await store.placeUpload(job, { target: targetId, key, passed }))) throw new Unwanted("the claim was lost");
    };
    const file = fileOf(spoolDir, job.mediumId);
    const kept = { target, targetId, template: config.key, job, signal };
    // Where the folder itself is gone, its files may come back with it.
    if (!(await lstat(spoolDir).catch(nullWhereMissing))?.isDirectory()) {
      return { is: "retry", error: `spool: ${spoolDir} is not there, or no folder`, at: clock.now() + firstWait };
    }
    const found = await stat(file).catch(nullWhereMissing);
    const damage = damageOf(found?.size ?? null, job.file.bytes);
    if (damage === null) {
      const isOld = clock.now() - (found?.mtimeMs ?? 0) >= FRESH;
      const again = job.isRepeated || isOld;
      return { is: "mirrored", target: targetId, key: await keepCopy(kept, { file, again, place }) };
    }
    // The target may have got it before a crash kept us from writing that down.
    const key = await findCopy(kept);
    return key === null ? { is: "lost", error: damage } : { is: "mirrored", target: targetId, key };
  }

  /** Tried again; how soon depends on whose trouble it is. */
  async function judge(error: unknown, job: UploadJob): Promise<UploadOutcome> {
    if (error instanceof SpoolChanged) return { is: "lost", error: errorLine(error) };
    const isDown = await targetHealth.failed(error);
    // What is due while the target is down is not claimed, so that it goes on the moment it is back.
    const wait = isDown ? firstWait : Math.min(firstWait * 2 ** Math.min(job.attempts, 30), longestWait);
    const outcome: UploadOutcome = {
      is: "retry",
      error: `target: ${errorLine(error)}`.slice(0, 500),
      at: clock.now() + wait,
    };
    const nextAt = new Date(outcome.at).toISOString();
    const fields = { ...fieldsOf(job), error: outcome.error, attempt: job.attempts + 1, nextAt };
    // A target that is down is told of once, by its health.
    if (isDown) log.debug("media cannot be kept yet", fields);
    else log.warn("media cannot be kept yet", fields);
    return outcome;
  }

  async function finish(job: UploadJob, key: string, started: number): Promise<void> {
    const { bytes, sha256, contentType, suspect } = job.file;
    const ms = Math.round(clock.elapsed() - started);
    const fields = { ...fieldsOf(job), key, bytes, sha256, contentType, ms };
    log.info("media mirrored", { ...fields, ...(suspect && { suspect }) });
    await rm(fileOf(spoolDir, job.mediumId), { force: true }).catch((error) =>
      log.warn("spooled file not removed", { ...fieldsOf(job), error: errorLine(error) }),
    );
  }

  async function run(claimed: UploadJob, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // While it waited for its turn its claim may have been lost: a thumbnail must not be put over a newer one.
    const fresh = await store.refreshUpload(claimed, LEASE);
    if (fresh === null) return;
    // The very object, because the worker writes a new claim of it into it.
    const job = Object.assign(claimed, fresh);
    const started = clock.elapsed();
    const outcome = await keep(job, signal).catch((error) =>
      signal.aborted || error instanceof Unwanted ? null : judge(error, job),
    );
    if (outcome === null) return;
    if (outcome.is === "mirrored") targetHealth.worked();
    else if (signal.aborted) return;
    // What has rotted must not be taken for the file by the download that follows.
    if (outcome.is === "lost") await rm(fileOf(spoolDir, job.mediumId), { force: true });
    // What is kept is written down, also at a stop. Where the claim was lost meanwhile, a deletion knows the place.
    const { settled } = await store.settleUpload(job, outcome, clock.now());
    if (!settled) return;
    if (outcome.is === "mirrored") await finish(job, outcome.key, started);
    else if (outcome.is === "lost") {
      log.warn("spooled media lost, to be downloaded again", { ...fieldsOf(job), error: outcome.error });
    }
  }

  return {
    name: "upload",
    concurrency: Math.max(LEAST_AT_ONCE, config.concurrency),

    claim: async (wish) => (targetHealth.mayTry() ? store.claimUploads(wish) : HELD_BACK),

    run: (job, { signal }) => inTurn(turnOf(job.videoId, job.kind), () => run(job, signal)),
  };
}

/** What is wrong with a file of the spool, which has `found` bytes, or is not there (null); null: nothing. */
function damageOf(found: number | null, bytes: number): string | null {
  if (found === null) return "its file is gone from the spool";
  return found === bytes ? null : `its file in the spool has ${found} bytes, not ${bytes}`;
}

/** Nobody wants the file in the target any longer, or somebody else is about to put it. */
class Unwanted extends Error {
  override readonly name = "Unwanted";
}

function fieldsOf({ mediumId, videoId, eventId, kind }: UploadJob) {
  return { medium: mediumId, video: videoId, event: eventId, kind };
}
