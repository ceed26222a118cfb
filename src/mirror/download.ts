import { rm } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { DownloadJob, DownloadOutcome, Ports } from "../domain.ts";
import { errorLine } from "../errors.ts";
import { mediaBackoff } from "../jobs/backoff.ts";
import { LEASE, type Lease, type Queue } from "../jobs/worker.ts";
import { type Outbound, RefusedAddress } from "../platform/net.ts";
import type { Store } from "../store/store.ts";
import { LIMITS, type Limits } from "./pace.ts";
import { prepareCopy } from "./prepare.ts";
import { partOf } from "./spool.ts";
import type { MirrorTarget } from "./target.ts";
import { createTargetHealth, placeOf, type TargetHealth } from "./target-health.ts";
import { GaveWay, NeverMedia, OwnTrouble } from "./trouble.ts";
import { createTurns } from "./turns.ts";
import { createUnfinished, type SlowDownload } from "./unfinished.ts";

/** Unfinished downloads in all, in slots of `concurrency`: the slow ones that have given their slot away count too. */
const UNFINISHED = 4;

/** At least this long between two tries, also where the deadline is nearer, or past. */
const SHORTEST_WAIT = 1_000;

export type DownloadOptions = {
  config: Config["mirror"];
  store: Pick<Store, "claimDownloads" | "settleDownload" | "renew">;
  outbound: Outbound;
  target: MirrorTarget;
  ports: Pick<Ports, "clock" | "log">;
  /** A folder of our own, best on the file system of the target. */
  spoolDir: string;
  /** Shared with whoever tells of it; one of our own where there is none. */
  targetHealth?: TargetHealth;
  limits?: Partial<Limits>;
};

/** The queue of downloads: each job's file is fetched, proven, kept in the target, and its row settled. */
export function createDownloads(options: DownloadOptions): Queue<DownloadJob> {
  const { config, store, target, ports } = options;
  const { clock, log } = ports;
  const limits = { ...LIMITS, ...options.limits };
  const { spoolDir } = options;
  const health = options.targetHealth ?? createTargetHealth({ target, clock, spoolDir, every: limits.ownTrouble });
  const inTurn = createTurns();
  const unfinished = createUnfinished();
  const most = UNFINISHED * config.concurrency;
  let gaveUpAt = Number.NEGATIVE_INFINITY;

  async function removeCopies(keys: string[]): Promise<void> {
    for (const key of keys) {
      await target.delete(key).catch((error) => log.warn("old copy not removed", { key, error: errorLine(error) }));
    }
  }

  /** What a failure means, as of now. `requestedAt` is when the request that failed was sent; null: none was. */
  function judge(error: unknown, job: DownloadJob, requestedAt: number | null): DownloadOutcome {
    const line = errorLine(error).slice(0, 500);
    const now = clock.now();
    if (error instanceof OwnTrouble || requestedAt === null) {
      const failedTarget = error instanceof OwnTrouble && error.doing === "target";
      const wait = failedTarget ? health.failed(placeOf(config.key, job), line) : limits.ownTrouble;
      return { is: "retry", error: line, at: now + wait, own: true };
    }
    const wait = mediaBackoff(job.attempts + 1);
    if (error instanceof GaveWay && requestedAt >= job.deadline) return { is: "retry", error: line, at: now + wait };
    const isFinal = error instanceof RefusedAddress || error instanceof NeverMedia;
    if (isFinal || requestedAt >= job.deadline) {
      return { is: isFinal ? "failed" : "expired", error: line };
    }
    // The last try is at the deadline, not up to five minutes before it.
    const at = Math.min(now + wait, Math.max(job.deadline, now + SHORTEST_WAIT));
    return { is: "retry", error: line, at };
  }

  /** One line for each outcome; links are never in it, only their hosts. */
  function report(job: DownloadJob, outcome: DownloadOutcome, started: number): void {
    const { mediumId: medium, videoId: video, eventId: event, kind, host } = job;
    const fields = { medium, video, event, kind };
    if (outcome.is === "mirrored") {
      const { key, bytes, sha256, contentType, suspect } = outcome.copy;
      const ms = Math.round(clock.elapsed() - started);
      log.info("media mirrored", { ...fields, key, bytes, sha256, contentType, ms, ...(suspect && { suspect }) });
      return;
    }
    const failure = { ...fields, host, error: outcome.error, attempt: job.attempts + 1 };
    if (outcome.is !== "retry") log.warn("media not mirrored", { ...failure, state: outcome.is });
    else {
      const nextAt = new Date(outcome.at).toISOString();
      if (outcome.own) log.error("media cannot be kept", { ...failure, nextAt });
      else log.warn("media not mirrored yet", { ...failure, nextAt });
    }
  }

  async function run(job: DownloadJob, { signal, yieldSlot }: Lease): Promise<void> {
    const started = clock.elapsed();
    const part = partOf(spoolDir, job.mediumId);
    const place = placeOf(config.key, job);
    let requestedAt: number | null = null;
    const onRequest = () => {
      requestedAt = clock.now();
    };
    try {
      const onSlow = (slow: SlowDownload) => {
        unfinished.note(job, slow);
        yieldSlot();
      };
      const given = { ...options, limits, job, part, signal, onRequest, onSlow };
      const ready = await health
        .check(place)
        .then(() => prepareCopy(given))
        .catch((error: unknown) => ({ error }));
      unfinished.note(job, null);
      await inTurn(`${job.kind}/${job.videoId}`, async () => {
        if (signal.aborted) return;
        // A thumbnail whose claim is lost may have been overtaken: it must not be put over the newer one.
        if (!("error" in ready) && !(await store.renew(job, clock.now() + LEASE))) return;
        const kept = "error" in ready ? ready : await ready.keep().catch((error: unknown) => ({ error }));
        if (signal.aborted) return;
        if (!("error" in kept)) health.worked(place);
        const outcome: DownloadOutcome =
          "error" in kept ? judge(kept.error, job, requestedAt) : { is: "mirrored", copy: kept };
        const { settled, obsolete } = await store.settleDownload(job, outcome, clock.now());
        if (settled) report(job, outcome, started);
        await removeCopies(obsolete.filter((key) => outcome.is !== "mirrored" || key !== outcome.copy.key));
      });
    } finally {
      await rm(part, { force: true }).catch((error) => log.warn("part not removed", { error: errorLine(error) }));
    }
  }

  return {
    name: "download",
    concurrency: config.concurrency,

    async claim(limit, now, leaseUntil) {
      let room = most - unfinished.count();
      // Links that are tried again take places from slow ones only now and then; first tries as fast as slots allow.
      const mayGiveUp = room <= 0 && unfinished.hasSlow() && clock.elapsed() - gaveUpAt >= limits.yieldAfter;
      if (mayGiveUp) room = 1;
      if (room <= 0) return [];
      // Hosts that have the fewest unfinished downloads come first: a flood of one host's links holds nobody else's up.
      for (let share = config.concurrency; ; share += config.concurrency) {
        const busyHosts = unfinished.hostsWith(share);
        const jobs = await store.claimDownloads({ now, limit: Math.min(limit, room), leaseUntil, busyHosts });
        if (jobs.length === 0 && busyHosts.length > 0) continue;
        if (jobs[0] !== undefined && unfinished.count() >= most) {
          if (jobs[0].attempts > 0) gaveUpAt = clock.elapsed();
          unfinished.giveUpSlowest();
        }
        return jobs;
      }
    },

    async run(job, lease) {
      unfinished.add(job);
      try {
        await run(job, lease);
      } finally {
        unfinished.remove(job);
      }
    },
  };
}
