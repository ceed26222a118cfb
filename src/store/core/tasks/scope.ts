import type { TaskWish } from "../../../model/task.ts";
import { sql, type Tx } from "../tx.ts";

/** What a task takes: rows with lesser numbers than `upTo`, and that have not changed since; made at `at`. */
export type Scope = TaskWish & { upTo: number; at: number };

/** Where the work is: behind this row, in order of events, and of rows within one. */
export type Place = readonly [event: number, id: number];

/** `video` is 0 where none is known of. */
export type Item = { id: number; event: number; video: number; endpoint: string | null };

/** Some of what matches, in order, and where the search has come to. */
export type Found = { items: Item[]; to: Place; isLast: boolean };

/** Beyond all numbers. */
export const BEYOND = Number.MAX_SAFE_INTEGER;

/** Events that one statement looks through, at first and at most, and one search: some hundredths of a second. */
const FIRST_WINDOW = 1_000;
const WINDOW = 16_000;
const PER_SEARCH = 64_000;

const ABOVE = sql<[number, number], { id: number }>("SELECT id FROM events WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?");
const BELOW = sql<[number, number], { id: number }>(
  "SELECT id FROM events WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?",
);

/** Events from `low` on, before `high`. */
export type Span = { low: number; high: number };

/**
 * Searches spans of events one after the other until `limit` items are found, so that no statement runs for long however few
 * match. `look` returns items behind a place, in order; where there are as many as it may return, there may be more in the span.
 */
export async function search(
  tx: Tx,
  { from, within, isDown, limit }: { from: Place | null; within: Span; isDown: boolean; limit: number },
  look: (span: Span, behind: Place, most: number) => Promise<{ items: Item[]; to: Place | null }>,
): Promise<Found> {
  const items: Item[] = [];
  let place = from ?? (isDown ? ([within.high - 1, BEYOND] as const) : ([within.low - 1, BEYOND] as const));
  let looked = 0;
  let window = FIRST_WINDOW;
  while (looked < PER_SEARCH) {
    const span = await next(place[0]);
    const found = await look(span, place, limit - items.length);
    items.push(...found.items);
    if (found.to !== null) {
      place = found.to;
      if (items.length >= limit) return { items, to: place, isLast: false };
      looked += FIRST_WINDOW;
      continue;
    }
    place = isDown ? [span.low, 0] : [span.high - 1, BEYOND];
    if (isDown ? span.low <= within.low : span.high >= within.high) return { items, to: place, isLast: true };
    looked += window;
    window = Math.min(window * 4, WINDOW);
  }
  return { items, to: place, isLast: false };

  async function next(event: number): Promise<Span> {
    if (isDown) {
      const low = (await tx.get(BELOW, [event, window]))?.id ?? within.low;
      return { low: Math.max(low, within.low), high: event + 1 };
    }
    const high = (await tx.get(ABOVE, [event, window]))?.id ?? within.high;
    return { low: event, high: Math.min(high, within.high) };
  }
}

/** The number of the first event behind this one. */
export async function eventAfter(tx: Tx, event: number): Promise<number> {
  return (await tx.get(ABOVE, [event, 0]))?.id ?? BEYOND;
}
