import { every } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";

/** Timeouts and rates of a download; milliseconds, and bytes per second. */
export type Limits = {
  headers: number;
  /** Between two chunks of the body. */
  idle: number;
  total: number;
  /** After this time a download below `yieldRate` gives its slot to another, and goes on. */
  yieldAfter: number;
  yieldRate: number;
  /** After this time a download below `slowRate` is stopped, and retried. */
  slowAfter: number;
  slowRate: number;
};

export const LIMITS: Limits = {
  headers: 30_000,
  idle: 30_000,
  // Enough for the default mirror.maxSize, 20 GiB, at 512 KiB/s.
  total: 12 * 3_600_000,
  yieldAfter: 3_000,
  yieldRate: 512 * 1024,
  slowAfter: 60_000,
  slowRate: 1024,
};

const CHECK_EVERY = 1_000;

/**
 * Watches a download's average rate from now on, the wait for its head included. `onSlow` gets the rate (bytes per second)
 * each second that it is below `yieldRate`; `onHopeless` is called when the download is too slow or too long to go on.
 * Returns a function that ends the watch.
 */
export function watchRate(
  clock: Clock,
  limits: Limits,
  watched: { bytes(): number; onSlow(rate: number): void; onHopeless(reason: string): void },
): () => void {
  const started = clock.elapsed();
  function check(): void {
    const elapsed = clock.elapsed() - started;
    const rate = watched.bytes() / (elapsed / 1000);
    if (elapsed >= limits.yieldAfter && rate < limits.yieldRate) watched.onSlow(rate);
    if (elapsed >= limits.total) watched.onHopeless(`it took longer than ${limits.total / 1000} s`);
    else if (elapsed >= limits.slowAfter && rate < limits.slowRate) {
      watched.onHopeless(`too slow: ${Math.round(rate)} bytes/s after ${Math.round(elapsed / 1000)} s`);
    }
  }
  // Timers may fire a fraction of a millisecond early.
  return every(CHECK_EVERY, clock, check, { first: Math.min(CHECK_EVERY, limits.yieldAfter + 1) });
}
