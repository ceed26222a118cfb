import type { Clock } from "../../../ports.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";

/** Numbers made in one millisecond; more than that run ahead of the clock, which harms nothing. */
export const PER_MS = 1024;

/**
 * Numbers beyond this are not counted as taken. Up to here a number is exact (2^53 is the year 2248), and counting up
 * from one of any plausible time never reaches it. Databases of version 0.2.0 may hold ids beyond it, of a clock
 * that was wrong; new ones go on below those.
 */
export const LIMIT = Number.MAX_SAFE_INTEGER - 2 ** 40;

export type Numbers = {
  /** A number greater than all before (up to LIMIT): by time, by commit order within it. */
  next(): number;
  /** The first of `size` numbers without a gap. */
  block(size: number): number;
  /** Numbers up to here are taken (by another process, or before this one began). */
  taken(id: number): void;
};

export function createNumbers(clock: Clock): Numbers {
  let last = 0;
  function block(size: number): number {
    const now = clock.now();
    const first = Math.max(last + 1, now < LATEST_TIME ? Math.floor(now) * PER_MS : 0);
    last = first + size - 1;
    return first;
  }
  return {
    next: () => block(1),
    block,
    taken(id) {
      if (id > last) last = id;
    },
  };
}
