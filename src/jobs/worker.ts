import { errorLine, LeaseLost } from "../errors.ts";
import { bareJob, type Job, LEASE, type QueueName } from "../model/job.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { Claimed, ClaimWish, Store } from "../store/store.ts";
import { createAhead } from "./ahead.ts";
import { createLapse } from "./lapse.ts";
import { createWake } from "./wake.ts";

/** How soon a queue is asked again that gave nothing due, or failed, in milliseconds. */
const CLAIM_AGAIN = 1_000;

/** Limits of the wait for the next due time, in milliseconds; the longest, because the machine's clock may jump. */
const LONGEST_WAIT = 30_000;
const SHORTEST_WAIT = 50;

/** What a running job gets from its worker. */
export type Lease = {
  /** Aborted when the lease is lost (reason: LeaseLost) or the relay stops: the job must end at once and settle nothing. */
  signal: AbortSignal;
  /** Aborted when the worker stops: a job that has not begun its work ends and settles nothing. */
  ending: AbortSignal;
  /** Gives the job's slot to the next one while it goes on: for work that others slow down. */
  yieldSlot(): void;
  /** Gives back what was claimed ahead: by what this job has found out it may not begin any longer. */
  recall?(): void;
};

/** One kind of deferred work: where its jobs come from, how many run at once, and how one is run. */
export type Queue<J extends Job> = {
  name: QueueName;
  /** How many jobs may hold a slot at once. */
  concurrency: number;
  /** How many more may run now, where a limit is shared; called before each claim. A caller that frees room wakes the worker. */
  room?(): number;
  /** Jobs may be claimed before a slot is free, where they are quick. */
  claimsAhead?: boolean;
  /** Claims due jobs. A due job that is not given is held back by the queue's limits; the end of a job wakes the worker. */
  claim(wish: ClaimWish): Promise<Claimed<J>>;
  /** Does the work and settles the job. After a throw, which is logged, the job is due again when its lease ends. */
  run(job: J, lease: Lease): Promise<void>;
};

export type Worker<J extends Job = never> = {
  /** A job may be due: claims now. */
  wake(): void;
  /**
   * Holds a free slot for a job that is about to be enqueued and claimed at once; null where none is free, or another job may
   * be due. The returned function takes that job, or frees the slot. It resolves at once, or, where the worker
   * has stopped meanwhile, when the job has been given back.
   */
  hold(): ((job: J | null) => Promise<unknown>) | null;
  /**
   * Claims nothing more; resolves when running jobs have ended, or were aborted after `grace` milliseconds. Jobs that did not
   * settle are due again at once.
   */
  stop(grace: number): Promise<void>;
};

/** `until`: when its lease ends, by what elapses here, as far as the store has said. */
type Running<J> = { abort: AbortController; job: J; again: J | null; until: number };

/** Works a queue until stopped: claim → run → settle. Woken by enqueues, settles and due times, without polling. */
export function startWorker<J extends Job>(queue: Queue<J>, store: Store, { clock, log }: Ports): Worker<J> {
  const running = new Map<string, Running<J>>();
  const ahead = createAhead<J>(queue.claimsAhead ? queue.concurrency : 0, clock);
  let slots = queue.concurrency;
  let stopped = false;
  let looking = false;
  let look = Promise.resolve();
  let lookAgain = false;
  /** The last claim left nothing that is due, and nothing has woken the worker since. */
  let isQuiet = false;
  /** The last look found no free slot, and left no timer. */
  let lacksSlot = false;
  let cancelTimer: (() => void) | null = null;
  const drained: (() => void)[] = [];
  /** When the lease of a job ends that does not run yet. A claim leases from when it was asked for, however long it took. */
  const leases = new WeakMap<J, number>();
  const ending = new AbortController();

  const { isOver, watch } = createLapse(store, clock);

  const lose = ({ abort }: Running<J>) => abort.abort(new LeaseLost("the lease was lost"));

  const endRenewals = every(Math.floor(LEASE / 3), clock, async () => {
    await Promise.all(
      [...running.values()].map(async (entry) => {
        const asked = clock.elapsed();
        // A store in trouble is no loss of the job.
        const isOurs = await store.renew(bareJob(entry.job), LEASE).catch(() => null);
        if (isOurs === true) entry.until = asked + LEASE;
        if (isOurs === false) lose(entry);
      }),
    );
  });

  const endLooks = watch(() => {
    for (const entry of running.values()) if (isOver(entry.until)) lose(entry);
  });

  /**
   * A job may be claimed again while it runs. Either its lease ran out when the clock jumped: the work goes on under the new
   * claim. Or it has settled and was queued again: it runs again after it has ended.
   */
  function begin(job: J, asked: number): void {
    leases.set(job, asked + LEASE);
    const same = running.get(job.id);
    if (same !== undefined) {
      same.job.claim = job.claim;
      same.again = job;
      same.until = asked + LEASE;
    } else if (freeSlots() > 0) start(job);
    else ahead.put(job);
  }

  const freeSlots = () => Math.min(slots, queue.room?.() ?? slots);

  /** Begins what was claimed ahead, as far as slots are free. */
  function fill(): void {
    while (freeSlots() > 0) {
      const next = ahead.take();
      if (next === undefined) return;
      if (next.late || stopped) void giveBack(next.job).then(wake);
      else start(next.job);
    }
  }

  function start(job: J): void {
    const until = leases.get(job)!;
    if (isOver(until)) return void giveBack(job).then(wake);
    const abort = new AbortController();
    const begun = clock.elapsed();
    let holdsSlot = true;
    const yieldSlot = () => {
      if (!holdsSlot) return;
      holdsSlot = false;
      slots++;
      ahead.ended(clock.elapsed() - begun);
      fill();
      // Where nothing is due the slot can wait.
      if (!isQuiet || lacksSlot) wake();
    };
    slots--;
    const entry: Running<J> = { abort, job, again: null, until };
    running.set(job.id, entry);
    void work(entry, { signal: abort.signal, ending: ending.signal, yieldSlot, recall });
  }

  function recall(): Promise<unknown> {
    const unbegun: Promise<unknown>[] = [];
    for (let next = ahead.take(); next !== undefined; next = ahead.take()) unbegun.push(giveBack(next.job));
    return Promise.all(unbegun);
  }

  async function work(entry: Running<J>, lease: Lease): Promise<void> {
    const { job } = entry;
    try {
      await queue.run(job, lease);
    } catch (error) {
      if (!lease.signal.aborted) log.error("job failed", { queue: queue.name, job: job.id, error: errorLine(error) });
    }
    const again = await (stopped ? giveBack(job) : isWantedAgain(entry));
    running.delete(job.id);
    lease.yieldSlot();
    if (again) start(entry.again!);
    if (running.size === 0) for (const resolve of drained.splice(0)) resolve();
    wake();
  }

  /** Ends the lease of a job that did not settle. If the store fails, the lease runs out. */
  async function giveBack(job: J): Promise<false> {
    await store.renew(bareJob(job), 0).catch(() => {});
    return false;
  }

  /** Whether the claim that came during the run still holds: then this run did not settle it. */
  async function isWantedAgain({ again }: Running<J>): Promise<boolean> {
    if (again === null) return false;
    leases.set(again, clock.elapsed() + LEASE);
    return store.renew(bareJob(again), LEASE).catch(() => false);
  }

  async function lookForJobs(): Promise<void> {
    looking = true;
    try {
      do {
        lookAgain = false;
        cancelTimer?.();
        cancelTimer = null;
        const limit = Math.max(0, freeSlots()) + ahead.room();
        lacksSlot = limit <= 0;
        if (stopped || lacksSlot) break;
        const [now, asked] = [clock.now(), clock.elapsed()];
        const { jobs, nextDue, isMore = false } = await queue.claim({ limit, now, leaseFor: LEASE });
        // Nothing more is begun.
        if (stopped) {
          await Promise.all(jobs.map(giveBack));
          break;
        }
        for (const job of jobs) begin(job, asked);
        const isDue = nextDue !== null && nextDue <= now;
        lacksSlot = slots <= 0;
        isQuiet = !isDue;
        if ((jobs.length > 0 || isMore) && slots > 0 && isDue) lookAgain = true;
        else if (slots > 0 && nextDue !== null)
          setTimer(isDue ? CLAIM_AGAIN : Math.max(nextDue - clock.now(), SHORTEST_WAIT));
      } while (lookAgain);
    } catch (error) {
      log.warn("claim failed", { queue: queue.name, error: errorLine(error) });
      if (!stopped) setTimer(CLAIM_AGAIN);
    } finally {
      looking = false;
    }
  }

  function setTimer(ms: number): void {
    cancelTimer?.();
    cancelTimer = clock.after(Math.min(ms, LONGEST_WAIT), wake);
  }

  // Jobs that one commit settles end in one turn, and one claim fills their slots.
  const lookSoon = createWake(() => {
    if (stopped) return;
    lookAgain = true;
    if (!looking) look = lookForJobs();
  });

  function wake(): void {
    isQuiet = false;
    lookSoon();
  }

  function hold(): ((job: J | null) => Promise<unknown>) | null {
    if (!isQuiet || stopped || freeSlots() <= 0) return null;
    slots--;
    const asked = clock.elapsed();
    return async (job) => {
      slots++;
      if (job === null) {
        // No job's end wakes the worker for what came due meanwhile.
        if (lacksSlot) wake();
      } else if (stopped) await giveBack(job);
      else begin(job, asked);
    };
  }

  wake();
  return {
    wake,
    hold,
    async stop(grace) {
      stopped = true;
      cancelTimer?.();
      ending.abort(new Error("the worker is stopping"));
      const recalled = recall();
      if (running.size > 0) {
        const done = new Promise<void>((resolve) => {
          drained.push(resolve);
        });
        const cancel = clock.after(grace, () => {
          for (const { abort } of running.values()) abort.abort(new Error("the relay is stopping"));
        });
        await done;
        cancel();
      }
      await Promise.all([look, recalled]);
      endRenewals();
      endLooks();
    },
  };
}
