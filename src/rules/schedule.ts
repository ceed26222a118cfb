import type { Random } from "../ports.ts";

/** How long to wait after a failed attempt. Pure: the time and the dice are arguments. All times are milliseconds. */

export const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

const MEDIA_WAITS = [1, 2, 5, 10, 30, 60, 300].map((seconds) => seconds * SECOND);

/** How far a delivery's wait is moved by chance, either way, so that what failed together does not return together. */
const JITTER = 0.2;

/** How far beyond the schedule a `Retry-After` may push an attempt (CONTRACT, "What an endpoint receives"). */
const HINT_LIMIT = HOUR;

/** The wait after download attempt number `attempt` (from 1) failed: quick at first, every five minutes in the end. */
export function mediaBackoff(attempt: number): number {
  return MEDIA_WAITS[Math.max(attempt, 1) - 1] ?? 5 * MINUTE;
}

/** Near the deadline of a link it is tried at least this many times more in what is left, but not more often than this. */
const TRIES_LEFT = 10;
const NEAR_WAIT = 10 * SECOND;

/** At least this long between two tries, also where the deadline is nearer, or past. */
const SHORTEST_WAIT = SECOND;

/**
 * When to try a download again whose attempt number `attempt` (from 1) failed at `now`: by the schedule, but harder towards
 * the deadline, and once at the deadline itself.
 */
export function mediaRetry({ attempt, now, deadline }: { attempt: number; now: number; deadline: number }): number {
  const wait = Math.min(mediaBackoff(attempt), Math.max(NEAR_WAIT, (deadline - now) / TRIES_LEFT));
  return Math.round(Math.min(now + wait, Math.max(deadline, now + SHORTEST_WAIT)));
}

/**
 * When to try again after delivery attempt number `attempt` (from 1) failed at `now`, or null when the schedule is spent.
 * `retryAfter` is the time the endpoint asked for: it can postpone the attempt, never hasten it.
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
 * The waits of its schedule that a delivery has been through when its attempt number `attempt` (from 1) fails. Longer ones
 * that something else imposed (a `Retry-After`, a pause, a relay that was down) count as the schedule has them.
 */
export function waitsBefore(schedule: number[], attempt: number): number {
  return schedule.slice(0, attempt - 1).reduce((sum, wait) => sum + wait, 0);
}
