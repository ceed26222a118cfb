import type { TaskWish } from "../../../model/task.ts";
import { all, type Between, type Source } from "../rows/merge.ts";
import { sql, type Tx, type Value } from "../tx.ts";

/**
 * What a task takes: rows with lesser numbers than `upTo`, and that have not changed since; made at `at`. `share`: what part of
 * the rows that one search may read this one may.
 */
export type Scope = TaskWish & { upTo: number; at: number; share?: number };

/** Where the work is: behind this row, in order of events, and of rows within one. */
export type Place = readonly [event: number, id: number];

/** `video` is 0 where none is known of. */
export type Item = { id: number; event: number; video: number; endpoint: string | null };

/** Some of what matches, in order, and where the search has come to. */
export type Found = { items: Item[]; to: Place; isLast: boolean };

/** Beyond all numbers. */
export const BEYOND = Number.MAX_SAFE_INTEGER;

/** Events that one step looks at; rows that one search reads, which is some hundredths of a second. */
const [LEAST, MOST] = [20, 500];
const PER_SEARCH = 10_000;

const NEXT = sql<[number], { id: number | null }>("SELECT min(id) AS id FROM events WHERE id > ?");

/** The events that a step begins with: their numbers, and those of their own deliveries, which follow theirs. */
export type Step = { events: Between; own: Between };

/**
 * What gives the events that may match, by indexes in order of the events (`Source.id`): those of one filter, or `events`. A
 * source that is ordered by a delivery's number (`by`) gives own deliveries, and may give replays among them.
 */
export type Driver = { events: number[] } | { sources: Source[] };

/** `perStep`: rows that `drivers` itself reads for a step; `share` as of a scope. */
type Search = {
  from: Place | null;
  isDown: boolean;
  limit: number;
  perStep?: number;
  share?: number | undefined;
  drivers(step: Step): Promise<Driver[]>;
};

/**
 * Searches events until `limit` items are found, so that no statement runs for long however few match. Each of the filters
 * says by its index which events may match next; those of the one that comes furthest are looked at. `look` returns the items
 * of these events behind a place, in order; where there are as many as it may return, there may be more.
 */
export async function search(
  tx: Tx,
  { from, isDown, limit, perStep = 0, share = 1, drivers }: Search,
  look: (events: number[], behind: Place, most: number) => Promise<{ items: Item[]; to: Place | null }>,
): Promise<Found> {
  const items: Item[] = [];
  let step = Math.max(LEAST, Math.min(limit, MOST));
  let place: Place = from ?? (isDown ? [BEYOND, BEYOND] : [0, BEYOND]);
  for (let looked = 0; looked < share * PER_SEARCH; ) {
    const span = await begin(place);
    const each = await Promise.all(
      (await drivers(span)).map((driver) => next(tx, driver, span, { isDown, most: step })),
    );
    const { events, end } = each.reduce((best, one) => (isFurther(one, best, isDown) ? one : best));
    looked += each.reduce((sum, { read }) => sum + read, events.length + perStep);
    const { items: some, to } = await look(events, place, limit - items.length);
    items.push(...some);
    if (to !== null) return { items, to, isLast: false };
    if (end === null) return { items, to: isDown ? [0, 0] : [BEYOND, BEYOND], isLast: true };
    place = isDown ? [end, 0] : [end, BEYOND];
    // Each step is some round trips: where few match, fewer steps are as many rows.
    if (some.length === 0) step = Math.min(2 * step, MOST);
  }
  return { items, to: place, isLast: false };

  async function begin([event, id]: Place): Promise<Step> {
    if (!isDown) return { events: { above: id === BEYOND ? event : event - 1 }, own: { above: event } };
    const below = id === 0 ? event : Math.min(event + 1, BEYOND);
    return { events: { below }, own: { below: (await tx.get(NEXT, [below - 1]))?.id ?? BEYOND } };
  }
}

/**
 * Events in order, and the last number up to which there are no others (null: there are none behind them); `read`: how many rows
 * that took.
 */
type Candidates = { events: number[]; end: number | null; read: number };

function isFurther(one: Candidates, other: Candidates, isDown: boolean): boolean {
  if (one.end === null || other.end === null) {
    return one.end === other.end ? one.events.length < other.events.length : one.end === null;
  }
  return isDown ? one.end < other.end : one.end > other.end;
}

async function next(
  tx: Tx,
  driver: Driver,
  step: Step,
  { isDown, most }: { isDown: boolean; most: number },
): Promise<Candidates> {
  const { above = 0, below = BEYOND } = step.events;
  const sign = isDown ? -1 : 1;
  const inOrder = (events: number[]) =>
    [...new Set(events)].filter((event) => event > above && event < below).sort((a, b) => sign * (a - b));
  if ("events" in driver) {
    const events = inOrder(driver.events);
    const isMore = events.length > most;
    return { events: events.slice(0, most), end: isMore ? events[most - 1]! : null, read: most };
  }
  const found = await Promise.all(
    driver.sources.map(async ({ id, from, where, by = id }) => {
      const { text, values } = all(where);
      const select = `SELECT ${id} AS event, ${by} AS place FROM ${from} WHERE ${text || "1 = 1"}`;
      const statement = sql<Value[], { event: number; place: number }>(
        `${select} ORDER BY ${by} ${isDown ? "DESC" : "ASC"} LIMIT ?`,
      );
      const rows = await tx.all(statement, [...values, most]);
      return { rows, end: rows.length < most ? null : rows.at(-1)!.place };
    }),
  );
  const ends = found.flatMap(({ end }) => end ?? []);
  const end = ends.length === 0 ? null : isDown ? Math.max(...ends) : Math.min(...ends);
  const events = inOrder(found.flatMap(({ rows }) => rows.map(({ event }) => event)));
  const read = found.reduce((sum, { rows }) => sum + rows.length, found.length);
  return { events: end === null ? events : events.filter((event) => sign * event <= sign * end), end, read };
}
