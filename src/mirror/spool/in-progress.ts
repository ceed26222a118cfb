import type { DownloadJob } from "../../model/job.ts";
import { GaveWay } from "../errors.ts";

/** A download that is too slow to hold a slot, as of its last look. */
export type SlowDownload = {
  bytes: number;
  /** To its end, at its rate so far; Infinity where the server told no length, or nothing came yet. */
  secondsLeft: number;
  giveUp(reason: GaveWay): void;
};

/** The downloads that have begun and not ended, the slow ones that have given their slot away included. */
export function createUnfinished() {
  const jobs = new Map<DownloadJob, SlowDownload | null>();

  return {
    count: () => jobs.size,

    add(job: DownloadJob): void {
      jobs.set(job, null);
    },

    remove(job: DownloadJob): void {
      jobs.delete(job);
    },

    /** Notes how slow a download is; null: it has all its bytes. */
    note(job: DownloadJob, slow: SlowDownload | null): void {
      if (jobs.has(job)) jobs.set(job, slow);
    },

    /** Hosts that have `share` unfinished downloads, or more. */
    hostsWith(share: number): string[] {
      const perHost = new Map<string, number>();
      for (const { host } of jobs.keys()) perHost.set(host, (perHost.get(host) ?? 0) + 1);
      return [...perHost].filter(([, count]) => count >= share).map(([host]) => host);
    },

    hasSlow: () => [...jobs.values()].some((slow) => slow !== null),

    /**
     * Gives up the slow download that is furthest from its end; of equal ones the one that loses the least. Those that are
     * nearest to theirs are never given up, however many wait: so that something comes of slow lines, too.
     */
    giveUpSlowest(): void {
      const slowest = [...jobs]
        .flatMap(([job, slow]) => (slow === null ? [] : [{ job, slow }]))
        .sort((a, b) => b.slow.secondsLeft - a.slow.secondsLeft || a.slow.bytes - b.slow.bytes)[0];
      if (slowest === undefined) return;
      jobs.delete(slowest.job);
      slowest.slow.giveUp(new GaveWay("slow, and others wait: it gave its place away"));
    },
  };
}
