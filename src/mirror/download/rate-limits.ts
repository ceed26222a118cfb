import { every } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";

/** How long a download may take for what. Milliseconds, and bytes per second. */
export type Limits = {
  headers: number;
  /** Between two chunks of the body. */
  idle: number;
  total: number;
  /** After this long a download that is slower than `yieldRate` gives its slot away, and goes on. */
  yieldAfter: number;
  yieldRate: number;
  /** After this long a download that is slower than `slowRate` is given up, and tried again. */
  slowAfter: number;
  slowRate: number;
  /** When trouble of our own is looked at again. */
  ownTrouble: number;
};

export const LIMITS: Limits = {
  headers: 30_000,
  idle: 30_000,
  // The largest file that is allowed by default, 20 GiB, comes within it at 512 KiB/s.
  total: 12 * 3_600_000,
  yieldAfter: 3_000,
  yieldRate: 512 * 1024,
  slowAfter: 60_000,
  slowRate: 1024,
  ownTrouble: 10_000,
};

const LOOK_EVERY = 1_000;

/**
 * Watches how fast a download is from now on, on average, waiting for its head included. `onSlow` is told each second that
 * it is slower than it may be with a slot, and its bytes per second; `onHopeless` when it is too slow or too long to go on. Returns how to stop.
 */
export function watchPace(
  clock: Clock,
  limits: Limits,
  watched: { bytes(): number; onSlow(rate: number): void; onHopeless(reason: string): void },
): () => void {
  const started = clock.elapsed();
  function look(): void {
    const elapsed = clock.elapsed() - started;
    const rate = watched.bytes() / (elapsed / 1000);
    if (elapsed >= limits.yieldAfter && rate < limits.yieldRate) watched.onSlow(rate);
    if (elapsed >= limits.total) watched.onHopeless(`it took longer than ${limits.total / 1000} s`);
    else if (elapsed >= limits.slowAfter && rate < limits.slowRate) {
      watched.onHopeless(`too slow: ${Math.round(rate)} bytes/s after ${Math.round(elapsed / 1000)} s`);
    }
  }
  // Timers may fire a fraction of a millisecond early.
  return every(LOOK_EVERY, clock, look, { first: Math.min(LOOK_EVERY, limits.yieldAfter + 1) });
}
