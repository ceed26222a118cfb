import type { Config } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import type { Lease } from "../../jobs/worker.ts";
import type { DownloadJob } from "../../model/job.ts";
import { createSampledLog } from "../../platform/log/limited-log.ts";
import type { Ports } from "../../ports.ts";
import type { Claimed, ClaimWish, Store } from "../../store/store.ts";
import { resourceOf } from "../errors.ts";
import { createDiskBudget } from "../spool/disk-budget.ts";
import { createInProgress } from "../spool/in-progress.ts";
import { clearResumable, clearSpool, clearUnwanted, dropLargestRemainder, probeSpool } from "../spool/spool.ts";
import { attemptDownload } from "./attempt.ts";
import { reportOutcome } from "./failure.ts";
import { createLocalFailures } from "./local-failures.ts";
import { LIMITS, type Limits } from "./rate-limits.ts";
import type { Downloading } from "./transfer.ts";

/** Downloads: link → fetch → write to the spool → validate → durable file, whose upload is the next job. */

/** Downloads under way, in multiples of `concurrency`, counting the slow ones without a slot. */
const MOST_IN_PROGRESS = 4;

/** How long a successful check of the spool holds, in milliseconds. */
const READY_FOR = 250;

/** Milliseconds between two test writes to a failing spool. */
const PROBE_EVERY = 1_000;

/** Local failures of the queue itself, which starts no download while the spool fails. */
const QUEUE = "*";

export function downloadQueue(
  options: Pick<Downloading, "outbound" | "heldCopy"> & {
    config: Pick<Config["mirror"], "concurrency" | "maxSize" | "minFreeDisk">;
    store: Pick<Store, "claimDownloads" | "settleDownload" | "isSpooled" | "reviveSpooled">;
    ports: Pick<Ports, "clock" | "log" | "metrics">;
    /** A folder of the relay's own (`spool.ts`), best on the file system of a local target. */
    spoolDir: string;
    limits?: Partial<Limits>;
  },
) {
  const { config, store, ports, spoolDir } = options;
  const { clock } = ports;
  const limits = { ...LIMITS, ...options.limits };
  const inProgress = createInProgress();
  const diskBudget = createDiskBudget(spoolDir, config.minFreeDisk);
  const failures = createLocalFailures(ports);
  const shared: Downloading = { ...options, limits, inProgress, diskBudget, failures };
  const most = MOST_IN_PROGRESS * config.concurrency;
  const logs = { log: ports.log, sampled: createSampledLog(ports.log, clock) };
  let preemptedAt = Number.NEGATIVE_INFINITY;
  let probedAt = Number.NEGATIVE_INFINITY;
  let readyAt = Number.NEGATIVE_INFINITY;

  /** Whether a download may start. While none may, nothing is claimed, and jobs lose no attempt and no place. */
  async function isReady(): Promise<boolean> {
    if (clock.elapsed() - readyAt < READY_FOR) return true;
    const isSuspect = failures.has("spool") && clock.elapsed() - probedAt >= PROBE_EVERY;
    if (isSuspect) probedAt = clock.elapsed();
    try {
      await probeSpool(spoolDir, isSuspect);
      await diskBudget.check();
      failures.clear(QUEUE);
      readyAt = clock.elapsed();
      return true;
    } catch (error) {
      failures.add(resourceOf(error), QUEUE, errorLine(error));
      if (resourceOf(error) === "disk space") await tidy(dropLargestRemainder(spoolDir));
      return false;
    }
  }

  /** What is left over is removed at the next start. */
  async function tidy(work: Promise<void>): Promise<void> {
    await work.catch((error) => ports.log.warn("spooled files not removed", { error: errorLine(error) }));
  }

  async function run(job: DownloadJob, lease: Lease): Promise<void> {
    const started = clock.elapsed();
    const outcome = await attemptDownload(shared, job, lease);
    if (outcome?.is !== "retry" || !outcome.own) failures.clear(job.mediumId);
    const isOurs = outcome !== null && !lease.signal.aborted;
    if (!isOurs || !(await store.settleDownload(job, outcome, clock.now())).settled) {
      return tidy(clearUnwanted({ store, clock, spoolDir }, job.mediumId));
    }
    if (outcome.is === "unchanged") ports.metrics?.mediumSettled(job.kind, "mirrored");
    else if (outcome.is === "failed" || outcome.is === "expired") ports.metrics?.mediumSettled(job.kind, outcome.is);
    reportOutcome(logs, job, outcome, clock.elapsed() - started);
    if (outcome.is === "spooled") await tidy(clearResumable(spoolDir, job.mediumId));
    else if (outcome.is !== "retry") await tidy(clearSpool(spoolDir, job.mediumId));
  }

  return {
    name: "download" as const,
    concurrency: config.concurrency,
    /** Why downloads wait (low disk, a spool that cannot be written), as far as is known; null: they do not. */
    spoolTrouble: failures.line,

    async claim(wish: ClaimWish): Promise<Claimed<DownloadJob>> {
      if (!(await isReady())) return store.claimDownloads({ ...wish, limit: 0, busyHosts: [] });
      let places = most - inProgress.count();
      // A retry may take the place of a slow download only now and then, a first try at any time.
      const mayPreempt = places <= 0 && inProgress.hasSlow() && clock.elapsed() - preemptedAt >= limits.yieldAfter;
      if (mayPreempt) places = 1;
      if (places <= 0) return store.claimDownloads({ ...wish, limit: 0, busyHosts: [] });
      // Hosts with the fewest downloads under way come first: many links of one host do not hold up the others.
      for (let share = config.concurrency; ; share += config.concurrency) {
        const busyHosts = inProgress.hostsWith(share);
        const claimed = await store.claimDownloads({ ...wish, limit: Math.min(wish.limit, places), busyHosts });
        const { jobs } = claimed;
        if (jobs.length === 0 && busyHosts.length > 0) continue;
        if (jobs[0] !== undefined && inProgress.count() >= most) {
          if (jobs[0].attempts > 0) preemptedAt = clock.elapsed();
          inProgress.preemptSlowest();
        }
        return claimed;
      }
    },

    async run(job: DownloadJob, lease: Lease): Promise<void> {
      inProgress.add(job);
      try {
        await run(job, lease);
      } finally {
        inProgress.remove(job);
      }
    },
  };
}
