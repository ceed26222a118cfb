import type { Endpoint } from "../config/schema.ts";
import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";

/**
 * How many of an endpoint's jobs may run at once. A job that waits for its turn holds a slot and a lease, so there are no more
 * slots than the rate can keep busy: none waits much longer than a timeout, or one gap of the rate.
 */
export function limitSlots(endpoint: Pick<Endpoint, "concurrency" | "ratePerSecond" | "timeout">): number {
  const { concurrency, ratePerSecond, timeout } = endpoint;
  if (ratePerSecond === null) return concurrency;
  return Math.min(concurrency, Math.max(1, Math.ceil((ratePerSecond * timeout) / 1000)));
}

/**
 * Spreads attempts evenly, in order of arrival. The returned function resolves when the next one may begin, or the signal is
 * aborted; undefined: at once.
 */
export function createRateLimit(
  ratePerSecond: number | null,
  clock: Clock,
): (signal: AbortSignal) => Promise<void> | undefined {
  if (ratePerSecond === null) return () => undefined;
  let nextStart = 0;
  return (signal) => {
    if (signal.aborted) return undefined;
    const now = clock.elapsed();
    const start = Math.max(now, nextStart);
    nextStart = start + 1000 / ratePerSecond;
    if (start === now) return undefined;
    return sleep(start - now, clock, signal);
  };
}
