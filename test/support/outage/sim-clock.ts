import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../../src/ports.ts";

/** Time that passes only when nothing is left to do: each timer finds all that came before it done. */
export type SimClock = Clock & {
  /** Lets time pass until `until`, milliseconds since 1970. */
  passUntil(until: number): Promise<void>;
};

/** So many turns of the event loop without work: what a wake-up put off has begun by then. */
const CALM = 4;

/** After so many turns of work the next ones leave the processor to others. */
const PATIENCE = 2_000;

/** `isBusy`: work is under way that needs no time of this clock. */
export function simClock(start: number, isBusy: () => boolean): SimClock {
  let now = start;
  let next = 0;
  const timers = new Map<number, { at: number; run: () => void }>();

  async function settle(): Promise<void> {
    let turns = 0;
    for (let calm = 0; calm < CALM; calm = isBusy() ? 0 : calm + 1) {
      await turn();
      if (++turns > PATIENCE) await sleep(1);
    }
  }

  function first(until: number): { id: number; at: number; run: () => void } | null {
    let found: { id: number; at: number; run: () => void } | null = null;
    for (const [id, timer] of timers)
      if (timer.at <= until && (found === null || timer.at < found.at)) found = { id, ...timer };
    return found;
  }

  return {
    now: () => now,
    elapsed: () => now - start,
    after(ms, run) {
      const id = next++;
      timers.set(id, { at: now + Math.max(0, ms), run });
      return () => timers.delete(id);
    },
    async passUntil(until) {
      for (;;) {
        await settle();
        const timer = first(until);
        if (timer === null) break;
        timers.delete(timer.id);
        now = Math.max(now, timer.at);
        timer.run();
      }
      now = Math.max(now, until);
    },
  };
}
