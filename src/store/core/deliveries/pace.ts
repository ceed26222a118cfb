import { AHEAD, pacedRoom } from "../../../rules/schedule.ts";
import { sql, type Tx } from "../tx.ts";
import type { Standing } from "./endpoints.ts";

// The rate of an endpoint that several relays send to. One that is alone keeps to it by itself (forward/rate-limit.ts). Only
// claims, which come one after the other, read and write it: who judges an answer is in no claim's way.

const NEXT = sql<[string], { next_start: number }>("SELECT next_start FROM paces WHERE endpoint = ?");
const SET_NEXT = sql<[string, number]>(
  `INSERT INTO paces (endpoint, next_start) VALUES (?, ?)
   ON CONFLICT (endpoint) DO UPDATE SET next_start = excluded.next_start`,
);

/** How far apart deliveries begin, and when the next one may; milliseconds. */
type Pace = { gap: number; nextStart: number };

/** Null: nothing is to be kept to together. */
export async function read(tx: Tx, choice: Standing["choice"], endpoint: string, now: number): Promise<Pace | null> {
  const rate = choice?.ratePerSecond ?? null;
  if (tx.relay.isAlone || rate === null) return null;
  const gap = 1_000 / rate;
  const nextStart = (await tx.get(NEXT, [endpoint]))?.next_start ?? 0;
  // No claim puts it further away: the clock went back, or the rate was a lower one.
  return { gap, nextStart: Math.min(nextStart, now + AHEAD + gap) };
}

/** How many may be claimed now. */
export function room(pace: Pace | null, now: number): number {
  return pace === null ? Number.POSITIVE_INFINITY : pacedRoom(pace.nextStart, now, pace.gap);
}

/** When the next may be claimed; 0: at any time. */
export function from(pace: Pace | null): number {
  return pace === null ? 0 : Math.ceil(pace.nextStart) - AHEAD;
}

/** Counts claims that were made. */
export function use(tx: Tx, endpoint: string, pace: Pace | null, { count, now }: { count: number; now: number }): void {
  if (pace !== null && count > 0) tx.write(SET_NEXT, [endpoint, Math.max(now, pace.nextStart) + count * pace.gap]);
}
