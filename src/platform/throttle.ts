import type { Clock } from "../ports.ts";
import { sleep } from "./timing.ts";

/** Shorter waits, in milliseconds, are added up: a timer for every small file would cost more than it delays. */
const WORTH_WAITING = 20;

/**
 * Limits several readers together to `bytesPerSecond` (null: no limit). The returned function is called with the number of
 * bytes that were read, and resolves when the next ones may be; at once when the signal aborts.
 */
export function createThrottle(
  bytesPerSecond: number | null,
  clock: Clock,
): (bytes: number, signal: AbortSignal) => Promise<void> | undefined {
  if (bytesPerSecond === null) return () => undefined;
  let due = 0;
  return (bytes, signal) => {
    const now = clock.elapsed();
    due = Math.max(due, now) + (bytes / bytesPerSecond) * 1000;
    if (due - now < WORTH_WAITING || signal.aborted) return undefined;
    return sleep(due - now, clock, signal);
  };
}
