import { AHEAD, pacedRoom } from "../../../rules/schedule.ts";
import { sql, type Tx } from "../tx.ts";
import type { Standing } from "./endpoints.ts";

// The rate of an endpoint that several relays send to. One that is alone keeps to it by itself (forward/rate-limit.ts).

const SET_NEXT = sql<[string, number]>(
  `INSERT INTO endpoints (id, next_start) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET next_start = excluded.next_start`,
);

type Pace = { gap: number; nextStart: number };

/** Null: nothing is to be kept to together. Times are milliseconds. */
function paceOf(tx: Tx, { choice, nextStart }: Standing, now: number): Pace | null {
  const rate = choice?.ratePerSecond ?? null;
  if (tx.relay.isAlone || rate === null) return null;
  const gap = 1_000 / rate;
  // No claim puts it further away: the clock went back, or the rate was a lower one.
  return { gap, nextStart: Math.min(nextStart, now + AHEAD + gap) };
}

/** How many may be claimed now. */
export function room(tx: Tx, standing: Standing, now: number): number {
  const pace = paceOf(tx, standing, now);
  return pace === null ? Number.POSITIVE_INFINITY : pacedRoom(pace.nextStart, now, pace.gap);
}

/** When the next may be claimed; 0: at any time. */
export function from(tx: Tx, standing: Standing, now: number): number {
  const pace = paceOf(tx, standing, now);
  return pace === null ? 0 : Math.ceil(pace.nextStart) - AHEAD;
}

/** Counts claims that were made. */
export function use(
  tx: Tx,
  endpoint: string,
  standing: Standing,
  { count, now }: { count: number; now: number },
): void {
  const pace = paceOf(tx, standing, now);
  if (pace !== null && count > 0) tx.write(SET_NEXT, [endpoint, Math.max(now, pace.nextStart) + count * pace.gap]);
}
