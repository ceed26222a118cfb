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
import { NeverMedia, OwnTrouble } from "./trouble.ts";
import { createTurns } from "./turns.ts";

/** Unfinished downloads in all, in slots of `concurrency`: the slow ones that have given their slot away count too. */
const UNFINISHED = 4;

/** At least this long between two tries, also where the deadline is nearer, or past. */
const SHORTEST_WAIT = 1_000;

/** What becomes of a job, and whether trouble of our own is why. */
type Verdict = { outcome: DownloadOutcome; own: boolean };

export type DownloadOptions = {
  config: Config["mirror"];
  store: Pick<Store, "claimDownloads" | "settleDownload" | "renew">;
  outbound: Outbound;
  target: MirrorTarget;
  ports: Pick<Ports, "clock" | "log">;
  /** A folder of our own, best on the file system of the target. */
  spoolDir: string;
  limits?: Partial<Limits>;
};

/** The queue of downloads: each job's file is fetched, proven, kept in the target, and its row settled. */
export function createDownloads(options: DownloadOptions): Queue<DownloadJob> {
  const { config, store, target, ports } = options;
  const { clock, log } = ports;
  const limits = { ...LIMITS, ...options.limits };
  const perHost = new Map<string, number>();
  const inTurn = createTurns();
  let unfinished = 0;

  function count(host: string, change: 1 | -1): void {
    unfinished += change;
    const running = (perHost.get(host) ?? 0) + change;
    if (running === 0) perHost.delete(host);
    else perHost.set(host, running);
  }

  async function removeCopies(keys: string[]): Promise<void> {
    for (const key of keys) {
      await target.delete(key).catch((error) => log.warn("old copy not removed", { key, error: errorLine(error) }));
    }
  }

  /** What a failure means, as of now. `requestedAt` is when the request that failed was sent; null: none was. */
  function judge(error: unknown, job: DownloadJob, requestedAt: number | null): Verdict {
    const line = errorLine(error).slice(0, 500);
    const now = clock.now();
    if (error instanceof OwnTrouble || requestedAt === null) {
      return { own: true, outcome: { is: "retry", error: line, at: now + limits.ownTrouble } };
    }
    const isFinal = error instanceof RefusedAddress || error instanceof NeverMedia;
    if (isFinal || requestedAt >= job.deadline) {
      return { own: false, outcome: { is: isFinal ? "failed" : "expired", error: line } };
    }
    // The last try is at the deadline, not up to five minutes before it.
    const at = Math.min(now + mediaBackoff(job.attempts + 1), Math.max(job.deadline, now + SHORTEST_WAIT));
    return { own: false, outcome: { is: "retry", error: line, at } };
  }

  /** One line for each outcome; links are never in it, only their hosts. */
  function report(job: DownloadJob, { outcome, own }: Verdict, started: number): void {
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
      if (own) log.error("media cannot be kept", { ...failure, nextAt });
      else log.warn("media not mirrored yet", { ...failure, nextAt });
    }
  }

  async function run(job: DownloadJob, { signal, yieldSlot }: Lease): Promise<void> {
    const started = clock.elapsed();
    const part = partOf(options.spoolDir, job.mediumId);
    let requestedAt: number | null = null;
    const onRequest = () => {
      requestedAt = clock.now();
    };
    try {
      const given = { ...options, limits, job, part, signal, onRequest, onSlow: yieldSlot };
      const ready = await prepareCopy(given).catch((error: unknown) => ({ error }));
      await inTurn(`${job.kind}/${job.videoId}`, async () => {
        if (signal.aborted) return;
        // A thumbnail whose claim is lost may have been overtaken: it must not be put over the newer one.
        if (!("error" in ready) && !(await store.renew(job, clock.now() + LEASE))) return;
        const verdict: Verdict =
          "error" in ready
            ? judge(ready.error, job, requestedAt)
            : await ready.keep().then(
                (copy) => ({ own: false, outcome: { is: "mirrored", copy } }),
                (error) => judge(error, job, requestedAt),
              );
        if (signal.aborted) return;
        const { outcome } = verdict;
        const { settled, obsolete } = await store.settleDownload(job, outcome, clock.now());
        if (settled) report(job, verdict, started);
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
      const busyHosts = [...perHost].filter(([, running]) => running >= config.concurrency).map(([host]) => host);
      // No more than fit, should all of them be of the host that has the least room left.
      const most = Math.max(0, ...[...perHost.values()].filter((running) => running < config.concurrency));
      const room = Math.min(limit, UNFINISHED * config.concurrency - unfinished, config.concurrency - most);
      return room <= 0 ? [] : store.claimDownloads({ now, limit: room, leaseUntil, busyHosts });
    },

    async run(job, lease) {
      count(job.host, 1);
      try {
        await run(job, lease);
      } finally {
        count(job.host, -1);
      }
    },
  };
}
