import { ofTypes } from "../events/type-filter.ts";
import { all, type Condition } from "../rows/merge.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { BEYOND, eventAfter, type Found, type Item, type Place, type Scope, type Span, search } from "./scope.ts";

// What a task that retries or cancels deliveries takes: in order of the lanes, or, to cancel, against it.

/**
 * As it was when the task was made: one that runs since counts as pending, one whose gate has opened since as neither waiting
 * nor pending.
 */
function ofState({ verb, filter: { state }, at }: Scope): Condition {
  switch (state) {
    case undefined:
      return { text: verb === "retry" ? "d.state = 'dead'" : "d.settled_at IS NULL", values: [] };
    case "pending":
      return {
        text: `d.settled_at IS NULL AND (d.opened_at IS NULL OR d.opened_at <= ?)
          AND (d.state = 'pending' OR d.state IN ('running', 'canceling') AND d.tried_at > ?)`,
        values: [at, at],
      };
    case "running":
      return { text: "d.state IN ('running', 'canceling') AND d.tried_at <= ?", values: [at] };
    default:
      return { text: "d.state = ?", values: [state] };
  }
}

async function conditionsOf(tx: Tx, scope: Scope): Promise<Condition> {
  const { endpoint, videoId, since, until, error, types } = scope.filter;
  const conditions = [
    ofState(scope),
    // One that is canceled already goes when its attempt ends; where its lease has run out nothing may come to end it.
    { text: "(d.state <> 'canceling' OR d.due <= ?)", values: [tx.now()] },
    { text: "d.id < ? AND d.generation < ?", values: [scope.upTo, scope.upTo] },
  ];
  const add = (text: string, value: Value) => conditions.push({ text, values: [value] });
  if (endpoint !== undefined) add("d.endpoint = ?", endpoint);
  if (videoId !== undefined) add("d.video = (SELECT id FROM videos WHERE video_id = ?)", videoId);
  if (since !== undefined) add("d.id >= ?", idAt(since));
  if (until !== undefined) add("d.id < ?", idAt(until));
  if (error !== undefined) add("coalesce(d.last_error, '') = ?", error);
  if (types !== undefined) conditions.push((await ofTypes(tx, types)).any);
  return all(conditions);
}

export async function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  const isDown = scope.verb === "cancel";
  const { text, values } = await conditionsOf(tx, scope);
  const [behind, order] = isDown ? ["<", "DESC"] : [">", "ASC"];
  const select = `SELECT d.id, d.event, d.video, d.endpoint FROM deliveries d JOIN events e ON e.id = d.event WHERE (d.event ${behind} ? OR d.event = ? AND d.id ${behind} ?)
    AND ${text}`;
  // The ids of an event's own deliveries follow its id; replays have ids of their own time.
  const own = sql<Value[], Item>(`${select} AND d.replay = 0 AND d.id > ? AND d.id < ? ORDER BY d.id ${order} LIMIT ?`);
  const replays = sql<Value[], Item>(
    `${select} AND d.replay > 0 AND d.event >= ? AND d.event < ? ORDER BY d.event ${order}, d.id ${order} LIMIT ?`,
  );

  async function look({ low, high }: Span, place: Place, most: number) {
    const bounds = [place[0], place[0], place[1], ...values];
    const last = await eventAfter(tx, high - 1);
    const [one, other] = await Promise.all([
      tx.all(own, [...bounds, low, last, most]),
      tx.all(replays, [...bounds, low, high, most]),
    ]);
    const sign = isDown ? -1 : 1;
    const all = [...one, ...other].sort((a, b) => sign * (a.event - b.event || a.id - b.id)).slice(0, most);
    const end = all.at(-1);
    return { items: all, to: end && all.length === most ? ([end.event, end.id] as const) : null };
  }

  return search(tx, { from, within: await within(tx, scope), isDown, limit }, look);
}

/** The events whose deliveries may match. */
async function within(tx: Tx, { filter, upTo }: Scope): Promise<Span> {
  if (filter.eventId === undefined) return { low: 0, high: Math.min(upTo, BEYOND) };
  const event = tx.ids.read("evt", filter.eventId);
  return { low: event, high: event + 1 };
}
