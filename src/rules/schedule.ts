import type { Random } from "../ports.ts";

/** When failed work is tried again. Pure: the time and the random numbers are arguments. All times are milliseconds. */

export const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Waits that double with each consecutive failure, from `first` up to `longest`. */
export type Doubling = { first: number; longest: number };

/** For a target or a spool that fails: such a failure is not the link's. */
export const LOCAL_WAITS: Doubling = { first: 10 * SECOND, longest: 5 * MINUTE };

/** The wait after failure number `failure` (from 1) in a row. */
export function doublingWait(failure: number, { first, longest }: Doubling): number {
  return Math.min(first * 2 ** Math.min(failure - 1, 30), longest);
}

const MEDIA_WAITS = [1, 2, 5, 10, 30, 60, 300].map((seconds) => seconds * SECOND);

/** The wait after download attempt number `attempt` (from 1) failed; the last one repeats. */
export function mediaBackoff(attempt: number): number {
  return MEDIA_WAITS[Math.max(attempt, 1) - 1] ?? MEDIA_WAITS.at(-1)!;
}

/** Near a link's deadline at least this many tries are spread over the time left, no closer together than this. */
const TRIES_LEFT = 10;
const NEAR_WAIT = 10 * SECOND;

/** The shortest time between two tries, also at or past the deadline. */
const SHORTEST_WAIT = SECOND;

/**
 * When to retry a download whose attempt number `attempt` (from 1) failed at `now`: by the schedule, more often towards the
 * deadline, and once at the deadline itself.
 */
export function mediaRetry({ attempt, now, deadline }: { attempt: number; now: number; deadline: number }): number {
  const wait = Math.min(mediaBackoff(attempt), Math.max(NEAR_WAIT, (deadline - now) / TRIES_LEFT));
  return Math.round(Math.min(now + wait, Math.max(deadline, now + SHORTEST_WAIT)));
}

/** The share by which a delivery's wait varies at random, either way: deliveries that fail together spread out. */
const JITTER = 0.2;

/** How far beyond the schedule a `Retry-After` may postpone an attempt (CONTRACT, "How deliveries go"). */
const HINT_LIMIT = HOUR;

/**
 * When to retry after delivery attempt number `attempt` (from 1) failed at `now`; null when the schedule is spent.
 * `retryAfter` is the time that the endpoint asked for: it can postpone the attempt, never bring it forward.
 */
export function deliveryRetry(failed: {
  schedule: number[];
  attempt: number;
  now: number;
  retryAfter: number | null;
  random: Random;
}): number | null {
  const { schedule, attempt, now, retryAfter, random } = failed;
  const wait = schedule[attempt - 1];
  if (wait === undefined) return null;
  const scheduled = now + Math.round(wait * (1 + JITTER * (2 * random.float() - 1)));
  if (retryAfter === null) return scheduled;
  return Math.max(scheduled, Math.min(retryAfter, now + wait + HINT_LIMIT));
}

/**
 * The sum of the scheduled waits before delivery attempt number `attempt` (from 1). A wait that was longer for another reason
 * (`Retry-After`, a pause, downtime) counts as scheduled.
 */
export function waitsBefore(schedule: number[], attempt: number): number {
  return schedule.slice(0, attempt - 1).reduce((sum, wait) => sum + wait, 0);
}
