import type { Dialect } from "../../../model/event.ts";
import { type Subject, wants } from "../../../rules/topics.ts";
import { topicOfStored } from "../../../wochit/event.ts";
import type { EventFilter } from "../../filters.ts";
import { filtersOf } from "../events/lists.ts";
import { CONTEXT_MISSING, FROM, STATUS } from "../events/shown.ts";
import { all, among, type Between, bounds, type Condition, when } from "../rows/merge.ts";
import { idAt } from "../rows/paging.ts";
import { FEW } from "../titles/events.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { BEYOND, type Driver, type Found, type Item, type Place, type Scope, type Step, search } from "./scope.ts";

// What a task that replays events takes: each with the endpoints that want it by today's options, the oldest event first.

type Row = {
  id: number;
  video: number;
  type: string | null;
  dialect: Dialect;
  failure: number;
  deliveries: number;
  context: string | null;
  /** Null: of a notice that is about no video. */
  videoId: string | null;
};

type Sent = { id: number; endpoint: string; state: string; generation: number };

const SENT = sql<[number, number, number], Sent>(
  `SELECT id, endpoint, state, generation FROM deliveries WHERE id BETWEEN ? AND ? OR event = ? AND replay > 0 ORDER BY id`,
);
const SELECT = `SELECT e.id, e.video, e.type, e.dialect, e.failure, e.deliveries,
  coalesce(e.context, a.context) AS context, v.video_id AS "videoId" FROM ${FROM}`;

/** What lists narrow events down by. An endpoint is where a replay goes, and narrows down only what `status` looks at. */
function wishOf({ filter, onlyDead }: Scope): EventFilter {
  const { types, videoId, context, q, endpoint } = filter;
  const status = onlyDead ? "dead" : filter.status;
  const to = status === "dead" || status === "waiting" ? endpoint : undefined;
  const wish = { types, videoId, context, q, status, endpoint: to };
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
}

/** What lists do not ask. A context that became known since the task was made is none of what it matched. */
function furtherOf({ filter, at, onlyDead }: Scope): Condition[] {
  const isKnown = "(e.context IS NOT NULL OR a.context_at IS NULL OR a.context_at <= ?)";
  return [
    ...(filter.context === undefined ? [] : [when(isKnown, at)]),
    ...(filter.contextMissing ? [when(`a.context_at <= ? AND ${CONTEXT_MISSING}`, at)] : []),
    ...(onlyDead && filter.status !== undefined ? [when(`${STATUS} = ?`, filter.status)] : []),
  ];
}

export async function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  const { since, until, eventId, contextMissing } = scope.filter;
  const wish = wishOf(scope);
  const first = since === undefined ? 0 : idAt(since);
  const below = Math.min(scope.upTo, until === undefined ? BEYOND : idAt(until));
  const conditions = [
    ...(await filtersOf(tx, wish)).map(({ condition }) => condition),
    ...furtherOf(scope),
    when("e.id + 0 >= ? AND e.id + 0 < ?", first, below),
  ];

  async function drivers({ events }: Step): Promise<Driver[]> {
    if (eventId !== undefined) return [{ events: [tx.ids.read("evt", eventId)] }];
    const span: Between = { above: Math.max(events.above ?? 0, first - 1), below };
    const filters = await filtersOf(tx, { ...wish, ...span });
    const found = when("a.context_at IS NOT NULL");
    const missing = { id: "a.event", from: "annotations a", where: [found, ...bounds(tx, ["a.event"], "evt", span)] };
    return [
      ...(contextMissing ? [{ sources: [missing] }] : []),
      ...(await Promise.all(filters.map(async (filter) => ({ sources: await filter.sources([]) })))),
    ];
  }

  /** Whole events: those of one are done together. */
  async function look(events: number[], [behind]: Place, most: number) {
    const items: Item[] = [];
    for (const some of among("e.id", events)) {
      const { text, values } = all([some, ...conditions]);
      const found = await tx.all(sql<Value[], Row>(`${SELECT} WHERE ${text} ORDER BY e.id`), values);
      const rows = found.filter(({ id }) => id > behind);
      const topicOf = (row: Row) => topicOfStored({ ...row, failure: row.failure === 1 });
      const sent = await Promise.all(rows.map((row) => endpointsOf(tx, scope, row, { ...row, topic: topicOf(row) })));
      for (const [at, row] of rows.entries()) {
        for (const endpoint of sent[at]!) items.push({ id: row.id, event: row.id, video: row.video, endpoint });
        if (items.length >= most) return { items, to: [row.id, BEYOND] as const };
      }
    }
    return { items, to: null };
  }

  // Videos of a title are looked for in each step.
  const perStep = wish.q === undefined ? 0 : FEW;
  return search(tx, { from, isDown: false, limit, perStep, share: scope.share, drivers }, look);
}

async function endpointsOf(tx: Tx, { filter, onlyDead, upTo }: Scope, row: Row, subject: Subject): Promise<string[]> {
  const wanted = tx.settings.endpoints
    .filter((choice) => (filter.endpoint ?? choice.id) === choice.id && wants(choice, subject))
    .map(({ id }) => id);
  if (!onlyDead || wanted.length === 0) return wanted;
  const newest = new Map<string, Sent>();
  for (const sent of await tx.all(SENT, [row.id + 1, row.id + row.deliveries, row.id])) newest.set(sent.endpoint, sent);
  return wanted.filter((endpoint) => {
    const last = newest.get(endpoint);
    return last !== undefined && last.state === "dead" && last.id < upTo && last.generation < upTo;
  });
}
