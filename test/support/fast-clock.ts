import { systemClock } from "../../src/platform/runtime.ts";
import type { Clock } from "../../src/ports.ts";

/** Real time, so many times as fast, from now on: waits of half a minute in a second or two. */
export function fastClock(times: number): Clock {
  const real = systemClock();
  const start = real.now();
  const from = real.elapsed();
  const elapsed = () => (real.elapsed() - from) * times;
  return {
    now: () => Math.floor(start + elapsed()),
    elapsed,
    after: (ms, run) => real.after(ms / times, run),
  };
}
