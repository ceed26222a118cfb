import { errorLine, RelayError } from "../errors.ts";
import { LEASE } from "../model/job.ts";
import { isRun, type TaskItem, type TaskJob, type TaskPiece } from "../model/task.ts";
import { nextSize, sleep, smallerSize } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { runTask } from "./runs.ts";
import { createWake } from "./wake.ts";

/**
 * The shortest pause between two pieces of a task, in milliseconds, and the pause as a multiple of what the piece before
 * took: events that come in mostly find the database free.
 */
const PAUSE = 20;
const PAUSE_PER_WORK = 3;

/** The shares of a whole piece that one may be of. */
const MOST = 100;

/** How soon a store in trouble is asked again, in milliseconds. */
const AGAIN = 1_000;

/** Limits of the wait for the end of another worker's lease, in milliseconds. */
const LONGEST_WAIT = 30_000;
const SHORTEST_WAIT = 50;

/** Where tasks are worked. `decode`: the bytes of the event that a refused body holds; a RelayError says that it holds none. */
export type Workplace = {
  store: Pick<Store, "claimTask" | "taskPiece" | "workTask" | "renewTask" | "failTask" | "quarantinedBody">;
  ports: Ports;
  decode(body: Uint8Array): Promise<Uint8Array>;
};

/**
 * Works a claimed task, piece by piece, to its end, or until it is canceled, another claim has it, or the signal aborts: then
 * it is given back. `onPiece` is called after each commit. A store in trouble is waited for.
 */
export async function workTask(
  { store, ports: { clock, log }, decode }: Workplace,
  job: TaskJob,
  { signal, onPiece }: { signal: AbortSignal; onPiece(): void },
): Promise<void> {
  let size = MOST;
  while (!signal.aborted) {
    try {
      const piece = await withBodies(await store.taskPiece(job.id, size / MOST));
      const paced = job.rate === null ? 0 : (piece.items.length / job.rate) * 1_000;
      const begun = clock.elapsed();
      const { isOurs, ended } = await store.workTask(job, piece, LEASE + paced, clock.now());
      if (!isOurs) return;
      onPiece();
      if (ended !== null) return;
      const took = clock.elapsed() - begun;
      size = nextSize(size, took, MOST);
      await sleep(Math.max(PAUSE, PAUSE_PER_WORK * took, paced), clock, signal);
    } catch (error) {
      if (!(error instanceof RelayError) || error.code !== "store_unavailable") {
        log.error("a task cannot go on", { task: job.id, error: errorLine(error) });
        return store.failTask(job, errorLine(error), clock.now());
      }
      size = smallerSize(size);
      await sleep(AGAIN, clock, signal);
    }
  }
  // If the store fails, the lease runs out.
  await store.renewTask(job, 0).catch(() => {});

  async function withBodies(piece: TaskPiece): Promise<TaskPiece> {
    if (job.verb !== "reprocess") return piece;
    const items: TaskItem[] = [];
    for (const item of piece.items) items.push(await withBody(item));
    return { ...piece, items };
  }

  async function withBody(item: TaskItem): Promise<TaskItem> {
    try {
      const { body } = await store.quarantinedBody(item.id);
      return { ...item, body: await decode(body) };
    } catch (error) {
      if (!(error instanceof RelayError) || error.code === "store_unavailable") throw error;
      // One that has left the quarantine meanwhile is skipped.
      return error.code === "not_found" ? item : { ...item, error: errorLine(error) };
    }
  }
}

/** Works all tasks that have no worker, those of different verbs side by side, until stopped. `onWork`: rows have changed. */
export function startTasks(
  place: Workplace & Parameters<typeof runTask>[0],
  onWork: () => void,
): { wake(): void; stop(): Promise<void> } {
  const { store, ports } = place;
  const { clock, log } = ports;
  const ending = new AbortController();
  const { signal } = ending;
  const running = new Set<Promise<void>>();
  let looking = Promise.resolve();
  let cancelTimer = () => {};

  const wake = createWake(() => {
    looking = looking.then(look);
  });

  async function look(): Promise<void> {
    cancelTimer();
    try {
      while (!signal.aborted) {
        const { job, nextDue } = await store.claimTask({ now: clock.now(), leaseFor: LEASE });
        if (job !== null) begin(job);
        else if (nextDue === null) return;
        else return later(nextDue - clock.now());
      }
    } catch (error) {
      log.warn("tasks cannot be claimed", { error: errorLine(error) });
      later(AGAIN);
    }
  }

  function begin(job: TaskJob): void {
    const { verb } = job;
    const doing = isRun(verb)
      ? runTask(place, { ...job, verb }, signal)
      : workTask(place, job, { signal, onPiece: onWork });
    const work: Promise<void> = doing
      .catch((error) => log.error("a task could not be ended", { task: job.id, error: errorLine(error) }))
      .finally(() => {
        running.delete(work);
        onWork();
        wake();
      });
    running.add(work);
  }

  function later(ms: number): void {
    if (!signal.aborted) cancelTimer = clock.after(Math.max(SHORTEST_WAIT, Math.min(ms, LONGEST_WAIT)), wake);
  }

  wake();
  return {
    wake,
    async stop() {
      ending.abort(new Error("the relay is stopping"));
      cancelTimer();
      await looking;
      await Promise.all(running);
    },
  };
}
