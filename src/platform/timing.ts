import type { Clock } from "../ports.ts";

/** Resolves after `ms` milliseconds, or as soon as `signal` is aborted. Never rejects. */
export function sleep(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener("abort", done);
  });
}

type Limit = {
  /** What the signal is aborted with when the time is over. */
  late?: () => Error;
  /** Ends the work early, with its own reason. */
  signal?: AbortSignal | undefined;
};

/**
 * Runs `work` under a signal that is aborted after `ms` milliseconds, and waits until the work itself has ended. For work
 * that follows its signal: a request, a child process. Work that fails then rejects with the signal's reason.
 */
export async function abortAfter<T>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
  { late = () => new Error(`no answer within ${ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`}`), signal }: Limit = {},
): Promise<T> {
  const limit = new AbortController();
  const follow = () => limit.abort(signal?.reason);
  const cancel = clock.after(ms, () => limit.abort(late()));
  if (signal?.aborted) follow();
  signal?.addEventListener("abort", follow);
  try {
    return await work(limit.signal);
  } catch (error) {
    limit.signal.throwIfAborted();
    throw error;
  } finally {
    cancel();
    signal?.removeEventListener("abort", follow);
  }
}

/**
 * As `abortAfter`, but rejects at once with the signal's reason when it is aborted: work that hangs is left behind, and its
 * later failure is ignored.
 */
export async function within<T>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
  limit: Limit = {},
): Promise<T> {
  const run = async (signal: AbortSignal) => {
    signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return await Promise.race([work(signal), aborted]);
  };
  return abortAfter(ms, clock, run, limit);
}

/**
 * Runs `run` every `ms` milliseconds, for the first time after `first`; where it returns a promise, which must not reject,
 * the next wait begins when that has settled. The returned function ends it.
 */
export function every(
  ms: number,
  clock: Clock,
  run: () => void | Promise<void>,
  { first = ms }: { first?: number } = {},
): () => void {
  let isOver = false;
  let cancel = clock.after(first, turn);
  function later(): void {
    if (!isOver) cancel = clock.after(ms, turn);
  }
  function turn(): void {
    const running = run();
    if (running === undefined) later();
    else void running.then(later);
  }
  return () => {
    isOver = true;
    cancel();
  };
}

// How many rows each piece of a long work is about. Each is a transaction of its own; how long it takes depends on the database,
// on the way to it, and on what the rows are.

/** Milliseconds. A piece that took longer is followed by a smaller one, one that took less by a larger one. */
const LONG = 1_000;
const SHORT = 250;

/** The size of the next piece, after one of this size that took so long. */
export function nextSize(size: number, took: number, most: number): number {
  if (took > LONG) return Math.max(1, Math.floor(size / 2));
  return took < SHORT ? Math.min(most, 2 * size) : size;
}

/** The same after one that failed, maybe for the time that it took. */
export const smallerSize = (size: number): number => Math.max(1, Math.floor(size / 4));
