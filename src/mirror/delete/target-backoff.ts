import type { Clock } from "../../ports.ts";

/** Milliseconds: after a first failure; doubled with each one that follows, up to the longest. */
const FIRST = 10_000;
const LONGEST = 300_000;

/** Milliseconds to wait after so many failures before this one. */
export function waitAfter(failures: number): number {
  return Math.min(FIRST * 2 ** Math.min(failures, 30), LONGEST);
}

/** Why a target is left alone, and for how many milliseconds. */
export type Rest = { line: string; ms: number };

/**
 * Targets that failed: they are left alone for a while, and then asked by one at a time, so that one that does not answer
 * holds up nobody who has business with another.
 */
export function createRests(clock: Pick<Clock, "elapsed">) {
  const troubles = new Map<string, { line: string; failures: number; until: number; isAsked: boolean }>();

  /** Null: it may be asked. */
  function restOf(target: string): Rest | null {
    const trouble = troubles.get(target);
    if (trouble === undefined) return null;
    const ms = trouble.isAsked ? FIRST : trouble.until - clock.elapsed();
    return ms > 0 ? { line: trouble.line, ms } : null;
  }

  return {
    restOf,

    /** Before it is asked. Whoever begins ends it with `worked` or `failed`. */
    begin(target: string): Rest | null {
      const rest = restOf(target);
      const trouble = troubles.get(target);
      if (rest === null && trouble !== undefined) trouble.isAsked = true;
      return rest;
    },

    worked(target: string): void {
      troubles.delete(target);
    },

    failed(target: string, line: string): void {
      const failures = troubles.get(target)?.failures ?? 0;
      const until = clock.elapsed() + waitAfter(failures);
      troubles.set(target, { line, failures: failures + 1, until, isAsked: false });
    },
  };
}
