import type { Job } from "../model/job.ts";
import type { Clock } from "../ports.ts";

/** Jobs are claimed ahead for this span, in milliseconds: about what a claim takes beside a flood of events. */
const SPAN = 20;

/** A job that has waited longer for its slot is given back: until then a claimed job counts as begun. Milliseconds. */
const LONGEST_WAIT = 1_000;

/** The weight of the newest job in the average. */
const WEIGHT = 0.1;

/**
 * Jobs that are claimed before a slot is free, so that a slot does not wait for the commit of a claim. Only as many as will
 * begin within SPAN, by the time that jobs take: none where they are slow.
 */
export function createAhead<J extends Job>(concurrency: number, clock: Pick<Clock, "elapsed">) {
  const ready: { job: J; since: number }[] = [];
  /** How long a job holds its slot, in milliseconds. Nothing is claimed ahead before it is known. */
  let average = 1_000;

  return {
    /** How many more may be claimed; asked for by the half, so that a claim is worth its commit. */
    room(): number {
      const wanted = Math.min(concurrency, Math.floor((concurrency * SPAN) / Math.max(average, 1)));
      const room = wanted - ready.length;
      return room * 2 >= concurrency ? room : 0;
    },
    /** A job that was claimed again has the newer claim. */
    put(job: J): void {
      const same = ready.find((each) => each.job.id === job.id);
      if (same !== undefined) same.job = job;
      else ready.push({ job, since: clock.elapsed() });
    },
    /** The next to begin; `late`: it has waited for too long, and is to be given back. Undefined: there is none. */
    take(): { job: J; late: boolean } | undefined {
      const next = ready.shift();
      return next && { job: next.job, late: clock.elapsed() - next.since > LONGEST_WAIT };
    },
    /** A job has held its slot for this long, in milliseconds. */
    ended(ms: number): void {
      average += WEIGHT * (ms - average);
    },
  };
}
