import { LISTED, listedEndpoints } from "../rows/listed-endpoints.ts";
import { all, type Condition, when } from "../rows/merge.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { conditionsOf, statesOf } from "./deliveries.ts";
import type { Found, Item, Place, Scope } from "./scope.ts";

// A count needs no order of the events. Where all filters are of the deliveries themselves their own index gives each of them
// at once, without the events that it is of.

/** Rows of each endpoint and state in one part, at least. */
const LEAST = 100;

/**
 * Some of what a task takes, as `find` would find it, but in order of the deliveries alone. Null: a filter is of something else,
 * or takes most of what an index gives out again, so that a statement could run for long.
 */
export async function some(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found | null> {
  const { ids, eventId, videoId, types, failedSince, endpoint, error, since, until } = scope.filter;
  if ([ids, eventId, videoId, types, failedSince].some((one) => one !== undefined)) return null;
  const isDown = scope.verb === "cancel";
  const rest = await conditionsOf(tx, scope);
  const within = (column: string): Condition[] => [
    ...(since === undefined ? [] : [when(`${column} >= ?`, idAt(since))]),
    ...(until === undefined ? [] : [when(`${column} < ?`, idAt(until))]),
    ...(from === null ? [] : [when(`${column} ${isDown ? "<" : ">"} ?`, from[1])]),
  ];
  const states = statesOf(scope);
  const listed = states.filter((state) => state !== "running");
  const endpoints = endpoint === undefined ? await listedEndpoints(tx) : [endpoint];
  const of = (to: string, state: string): Condition =>
    error === undefined
      ? when(`d.endpoint = ? AND d.state = ? AND ${LISTED}`, to, state)
      : when("d.state = ? AND d.endpoint = ? AND d.last_error = ? AND d.last_error IS NOT NULL", state, to, error);
  const sources = [
    ...endpoints.flatMap((to) => listed.map((state) => ({ by: "d.id", where: of(to, state) }))),
    // In no order of an index, so that the one of only these is used.
    ...(listed.length < states.length ? [{ by: "d.id + 0", where: when("d.state IN ('running', 'canceling')") }] : []),
  ];
  const most = Math.max(LEAST, Math.ceil(limit / Math.max(1, sources.length)));
  const found = await Promise.all(
    sources.map(({ by, where }) => {
      const { text, values } = all([where, ...within(by), ...rest]);
      const statement = sql<Value[], Item>(`${SELECT} WHERE ${text} ORDER BY ${by} ${isDown ? "DESC" : "ASC"} LIMIT ?`);
      return tx.all(statement, [...values, most]);
    }),
  );
  const sign = isDown ? -1 : 1;
  // Beyond the nearest of their ends not all of them are known.
  const ends = found.flatMap((rows) => (rows.length < most ? [] : rows.at(-1)!.id));
  const end = ends.length === 0 ? null : isDown ? Math.max(...ends) : Math.min(...ends);
  const items = found
    .flat()
    .filter(({ id }) => end === null || sign * (id - end) <= 0)
    .sort((a, b) => sign * (a.id - b.id));
  return { items, to: [0, end ?? 0], isLast: end === null };
}

const SELECT = "SELECT d.id, d.event, d.video, d.endpoint FROM deliveries d";
