import type { Breaker } from "../model/health.ts";
import { type Doubling, doublingWait } from "./schedule.ts";

// Circuit breakers. Pure: the time is an argument. All times are milliseconds.

/** After another failure: no try before a wait that doubles. */
export function failed(
  breaker: Breaker | null,
  { now, error, waits }: { now: number; error: string; waits: Doubling },
): Breaker {
  const failures = (breaker?.failures ?? 0) + 1;
  return { error, failures, since: breaker?.since ?? now, dueAt: now + doublingWait(failures, waits) };
}

/** A try begins: the next one may begin after `patience`, should this one not have ended by then. */
export function tried(breaker: Breaker, { now, patience }: { now: number; patience: number }): Breaker {
  return { ...breaker, dueAt: now + patience };
}

/** The time until a try may begin; 0: now. */
export function waitOf(breaker: Breaker | null, now: number): number {
  return breaker === null ? 0 : Math.max(0, breaker.dueAt - now);
}
