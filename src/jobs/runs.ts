import { errorLine, LeaseLost } from "../errors.ts";
import { LEASE } from "../model/job.ts";
import type { RunOptions, RunOutcome, RunVerb, TaskJob } from "../model/task.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { createLapse } from "./lapse.ts";

/** What each verb does that is not done in pieces; it ends when the signal aborts. */
export type Runs = {
  [Verb in RunVerb]: (options: RunOptions, signal: AbortSignal, job: TaskJob) => Promise<RunOutcome>;
};

/**
 * Does what a claimed task is for, as a whole. When the signal aborts the task is given back, and begins anew with its next
 * claim; when it is canceled, or another claim has it, the work ends.
 */
export async function runTask(
  {
    store,
    ports,
    runs,
  }: { store: Pick<Store, "task" | "renewTask" | "endRun" | "failTask" | "shared">; ports: Ports; runs: Runs },
  job: TaskJob & { verb: RunVerb },
  signal: AbortSignal,
): Promise<void> {
  const { clock } = ports;
  const ending = new AbortController();
  const follow = () => ending.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  let until = clock.elapsed() + LEASE;
  const renew = async () => {
    const asked = clock.elapsed();
    // A store in trouble is no loss of the task: the lease may run out then.
    const isOurs = await store.renewTask(job, LEASE).catch(() => null);
    if (isOurs === true) until = asked + LEASE;
    if (isOurs === false) ending.abort(new LeaseLost("the task was canceled"));
  };
  const { isOver, watch } = createLapse(store, clock);
  const look = () => {
    if (isOver(until)) ending.abort(new LeaseLost("the lease was lost"));
  };
  const ends = [every(RENEW_EVERY, clock, renew), watch(look)];
  try {
    const { filter } = await store.task(job.id);
    const outcome = await runs[job.verb](filter, ending.signal, job);
    if (!ending.signal.aborted) await store.endRun(job, outcome, clock.now());
  } catch (error) {
    if (!ending.signal.aborted) await store.failTask(job, errorLine(error), clock.now());
  } finally {
    for (const end of ends) end();
    signal.removeEventListener("abort", follow);
  }
  if (signal.aborted) await store.renewTask(job, 0).catch(() => {});
}

/** How soon the end of a canceled one is noticed, in milliseconds. */
const RENEW_EVERY = 2_000;
