/** When work is tried, and tried again. Pure: the time and the random numbers are arguments. All times are milliseconds. */

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

/**
 * The share by which a delivery's wait varies at random, either way, and the most of it: deliveries that fail together spread
 * out, and the default schedule covers three days all the same.
 */
const JITTER = 0.2;
const MOST_JITTER = 10 * MINUTE;

/** How far beyond the schedule a `Retry-After` may postpone an attempt (CONTRACT, "Answers"). */
export const HINT_LIMIT = HOUR;

/** How far a delivery has come on its endpoint's schedule. */
export type Progress = {
  /** Waits of the schedule that were used up. */
  spent: number;
  /** The sum of those that it has been through, without the present one. */
  waited: number;
  /** The present one; 0: it has not failed yet. */
  wait: number;
  /** When the schedule names the next attempt; null: it has none to wait for. One that is made earlier spends nothing. */
  scheduledAt: number | null;
};

/**
 * The next wait of the schedule, after an attempt that failed at `now`; null when the schedule is spent. `spread`, 0 to 1, is
 * the random part. What a wait was longer for another reason (`Retry-After`, a pause, downtime) does not count as waited.
 */
export function nextWait(
  { spent, waited, wait }: Progress,
  { retry, now, spread }: { retry: readonly number[]; now: number; spread: number },
): Progress | null {
  const next = retry[spent];
  if (next === undefined) return null;
  const scheduledAt = now + Math.round(next + Math.min(JITTER * next, MOST_JITTER) * (2 * spread - 1));
  return { spent: spent + 1, waited: waited + wait, wait: next, scheduledAt };
}

/**
 * When the next attempt is due: when the schedule says so, or, where the endpoint asked for `retryAfter` milliseconds, later.
 * The jitter of the schedule never shortens what was asked for.
 */
export function dueAfter(scheduledAt: number, { now, retryAfter }: { now: number; retryAfter: number }): number {
  return Math.max(scheduledAt, Math.min(now + retryAfter, Math.max(now, scheduledAt) + HINT_LIMIT));
}

/**
 * Deliveries to an endpoint with a rate are claimed this long before their turn. What is claimed can no longer be superseded,
 * nor held by a breaker or a pause, so it is not claimed earlier; a claim takes a commit, so not later either.
 */
export const AHEAD = 100;

/** How many may be claimed now, where the next one's turn is at `nextStart`, and each other's `gap` after the one before it. */
export function pacedRoom(nextStart: number, now: number, gap: number): number {
  const early = now + AHEAD - Math.max(now, nextStart);
  return early < 0 ? 0 : Math.floor(early / gap) + 1;
}
