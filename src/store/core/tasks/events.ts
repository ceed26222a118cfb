import type { Dialect } from "../../../model/event.ts";
import { type Subject, topicMatches, wants } from "../../../rules/topics.ts";
import { topicOfStored } from "../../../wochit/event.ts";
import { CONTEXT_MISSING, IS_DEAD, STATUS } from "../events/shown.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { BEYOND, type Found, type Item, type Place, type Scope, type Span, search } from "./scope.ts";

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

/** Events that are held in memory at once. */
const MOST_ROWS = 1_000;

const SENT = sql<[number, number, number], Sent>(
  `SELECT id, endpoint, state, generation FROM deliveries WHERE id BETWEEN ? AND ? OR event = ? AND replay > 0 ORDER BY id`,
);

function conditionsOf(tx: Tx, { filter, at, onlyDead }: Scope): { text: string; values: Value[] } {
  const conditions: string[] = [];
  const values: Value[] = [];
  const add = (text: string, ...given: Value[]) => {
    conditions.push(` AND ${text}`);
    values.push(...given);
  };
  if (filter.types === undefined) add("e.dialect <> 'notice'");
  if (filter.videoId !== undefined) add("e.video = (SELECT id FROM videos WHERE video_id = ?)", filter.videoId);
  if (filter.context !== undefined) {
    // A context that became known since the task was made is none of what it matched.
    const isKnown = "(e.context IS NOT NULL OR a.context_at IS NULL OR a.context_at <= ?)";
    add(`coalesce(e.context, a.context) = ? AND ${isKnown}`, filter.context, at);
  }
  if (filter.contextMissing) add(`a.context_at <= ? AND ${CONTEXT_MISSING}`, at);
  if (filter.status !== undefined) add(`${STATUS} = ?`, filter.status);
  if (filter.q !== undefined) {
    const { text, values } = tx.titles.condition(filter.q, "e.video");
    add(text, ...values);
  }
  if (onlyDead) add(IS_DEAD);
  return { text: conditions.join(""), values };
}

export async function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  const { since, until, eventId, types } = scope.filter;
  const { text, values } = conditionsOf(tx, scope);
  const some = sql<Value[], Row>(
    `SELECT e.id, e.video, e.type, e.dialect, e.failure, e.deliveries, coalesce(e.context, a.context) AS context,
       v.video_id AS "videoId" FROM events e LEFT JOIN videos v ON v.id = e.video LEFT JOIN annotations a ON a.event = e.id
     WHERE e.id > ? AND e.id < ?${text} ORDER BY e.id LIMIT ?`,
  );
  const event = eventId === undefined ? null : tx.ids.read("evt", eventId);
  const low = Math.max(event ?? 0, since === undefined ? 0 : idAt(since));
  const high = Math.min(event === null ? BEYOND : event + 1, until === undefined ? BEYOND : idAt(until), scope.upTo);

  /** Whole events: those of one are done together. */
  async function look({ high }: Span, [behind]: Place, most: number) {
    const rows = await tx.all(some, [behind, high, ...values, MOST_ROWS]);
    const items: Item[] = [];
    for (const row of rows) {
      const topic = topicOfStored({ ...row, failure: row.failure === 1 });
      if (types !== undefined && !topicMatches(types, topic)) continue;
      for (const endpoint of await endpointsOf(tx, scope, row, { ...row, topic }))
        items.push({ id: row.id, event: row.id, video: row.video, endpoint });
      if (items.length >= most) return { items, to: [row.id, BEYOND] as const };
    }
    const last = rows.at(-1);
    return { items, to: last && rows.length === MOST_ROWS ? ([last.id, BEYOND] as const) : null };
  }

  return search(tx, { from, within: { low, high: Math.max(low, high) }, isDown: false, limit }, look);
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
