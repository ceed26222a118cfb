import type { DownloadJob } from "../../model/job.ts";
import { Preempted } from "../errors.ts";

/** A download that is too slow to hold a slot. */
export type SlowDownload = {
  bytes: number;
  /** To its end, at its rate so far; Infinity where the length is unknown or nothing came yet. */
  secondsLeft: number;
  stop(reason: Preempted): void;
};

/** The downloads under way, the slow ones without a slot included. */
export function createInProgress() {
  const jobs = new Map<DownloadJob, SlowDownload | null>();

  return {
    count: () => jobs.size,

    add(job: DownloadJob): void {
      jobs.set(job, null);
    },

    remove(job: DownloadJob): void {
      jobs.delete(job);
    },

    /** Notes that a download is slow; null: all of its bytes have come. */
    note(job: DownloadJob, slow: SlowDownload | null): void {
      if (jobs.has(job)) jobs.set(job, slow);
    },

    /** Hosts with at least `share` downloads under way. */
    hostsWith(share: number): string[] {
      const perHost = Map.groupBy(jobs.keys(), ({ host }) => host);
      return [...perHost].filter(([, all]) => all.length >= share).map(([host]) => host);
    },

    hasSlow: () => [...jobs.values()].some((slow) => slow !== null),

    /**
     * Stops the slow download that is furthest from its end; of equal ones the one that loses the fewest bytes. Those nearest
     * to their end always go on, so that slow lines finish, too.
     */
    preemptSlowest(): void {
      const slowest = [...jobs]
        .flatMap(([job, slow]) => (slow === null ? [] : [{ job, slow }]))
        .sort((a, b) => b.slow.secondsLeft - a.slow.secondsLeft || a.slow.bytes - b.slow.bytes)[0];
      if (slowest === undefined) return;
      jobs.delete(slowest.job);
      slowest.slow.stop(new Preempted("slow, and others wait: its place went to another download"));
    },
  };
}

export type InProgress = ReturnType<typeof createInProgress>;
