import { RelayError } from "../../../errors.ts";
import type { Dialect } from "../../../model/event.ts";
import type { Medium } from "../../../model/medium.ts";
import { topicMatches } from "../../../rules/topics.ts";
import { topicOfStored } from "../../../wochit/event.ts";
import type { FeedPage, FeedWish, MessageParts } from "../../feed.ts";
import * as events from "../events/events.ts";
import { ofTypes } from "../events/type-filter.ts";
import { type Condition, isContext, rowsOf, when } from "../rows/merge.ts";
import { readEpoch } from "../rows/meta.ts";
import { LIMIT } from "../rows/numbers.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx, type Value } from "../tx.ts";

// The feed (CONTRACT, "Admin listener"). An id is made inside of its transaction, by the one that writes, and is greater than
// all that were committed before: so a position is an id. Where several write, one may be committed after a greater one: what is
// beyond `horizon` waits. One whose transaction was rolled back is not given again.

type Row = {
  id: number;
  received_at: number;
  type: string | null;
  dialect: Dialect;
  failure: number;
  context: string | null;
};

/** Events that one statement looks at, and one page: some milliseconds. */
const PIECE = 200;
const MOST = 5_000;

const NEWEST = sql<[number], { id: number | null }>("SELECT max(id) AS id FROM events WHERE id <= ?");

const SELECT = `SELECT e.id, e.received_at, e.type, e.dialect, e.failure, coalesce(e.context, a.context) AS context
  FROM events e LEFT JOIN annotations a ON a.event = e.id`;
const ALL = sql<[number, number, number], Row>(`${SELECT} WHERE e.id > ? AND e.id <= ? ORDER BY e.id LIMIT ?`);

/** Gives the events behind one, in order; at least those that match. `isLast`: there are none behind these. */
type Source = (after: number) => Promise<{ rows: Row[]; isLast: boolean }>;

/**
 * By the index of the narrowest filter; what it gives is judged by all of them. Up to `newest` only: of what another process
 * commits between two statements one index would give a part, and the page would go past the rest.
 */
async function sourceOf(tx: Tx, { videoId, context, types }: FeedWish, newest: number): Promise<Source> {
  const merge = (indexes: ReturnType<typeof idsIn>[]) => merged(tx, indexes, newest);
  const ofVideo = when("e.video = (SELECT id FROM videos WHERE video_id = ?)", videoId ?? null);
  // Not in the order of the table, where the events of other videos would be looked through.
  if (videoId !== undefined) return merge([idsIn("events e", "e.id + 0", ofVideo)]);
  if (context !== undefined) {
    const own = idsIn("events e", "e.id", isContext("e.context", context));
    return merge([own, idsIn("annotations a", "a.event", isContext("a.context", context))]);
  }
  if (types === undefined) {
    return async (after) => {
      const rows = await tx.all(ALL, [after, newest, PIECE]);
      return { rows, isLast: rows.length < PIECE };
    };
  }
  const { each } = await ofTypes(tx, types);
  return merge(each.map((one) => idsIn("events e", "e.id", one)));
}

/** Ids that an index gives in order. */
function idsIn(from: string, id: string, { text, values }: Condition) {
  const where = `${text} AND ${id} > ? AND ${id} <= ?`;
  return {
    values,
    statement: sql<Value[], { id: number }>(`SELECT ${id} AS id FROM ${from} WHERE ${where} ORDER BY ${id} LIMIT ?`),
  };
}

/** The least ids of all of them, and their rows. */
function merged(tx: Tx, indexes: ReturnType<typeof idsIn>[], newest: number): Source {
  return async (after) => {
    const found = await Promise.all(
      indexes.map(({ statement, values }) => tx.all(statement, [...values, after, newest, PIECE])),
    );
    const ids = [...new Set(found.flat().map(({ id }) => id))].sort((a, b) => a - b);
    const rows = await rowsOf<Row>(tx, { select: SELECT, column: "e.id" }, ids.slice(0, PIECE));
    // Fewer rows than ids say nothing of what follows: another process may have pruned some of them meanwhile.
    return { rows, isLast: ids.length < PIECE };
  };
}

function matches({ types, context }: FeedWish, row: Row): boolean {
  if (context !== undefined && row.context !== context) return false;
  return topicMatches(types ?? ["*"], topicOfStored({ ...row, failure: row.failure === 1 }));
}

export async function read(tx: Tx, wish: FeedWish): Promise<FeedPage> {
  // In this order: what is given once it is known what is under way is greater than the newest that was there before.
  const [last, horizon, epoch] = await Promise.all([tx.get(NEWEST, [LIMIT]), tx.horizon(), readEpoch(tx)]);
  const newest = Math.min(last?.id ?? 0, horizon - 1);
  const page: FeedPage["events"] = [];
  let at = beginning(tx, wish, newest);
  let bytes = 0;
  const end = (isMore: boolean): FeedPage => ({ events: page, position: String(at), epoch, isMore });

  const some = await sourceOf(tx, wish, newest);
  for (let looked = 0; looked < MOST; looked += PIECE) {
    const { rows, isLast } = await some(at);
    for (const row of rows) {
      if (matches(wish, row)) {
        if (page.length >= wish.limit || bytes >= (wish.bodies ?? Number.POSITIVE_INFINITY)) return end(true);
        if (await isHeld(tx, wish, row)) return end(false);
        const id = tx.ids.show("evt", row.id);
        const parts = wish.bodies === undefined ? null : await partsOf(tx, row.id);
        bytes += parts?.body?.length ?? 0;
        page.push({ event: await events.show(tx, id), parts });
      }
      at = row.id;
    }
    if (isLast) {
      at = Math.max(at, newest);
      return end(false);
    }
  }
  return end(true);
}

export async function partsOf(tx: Tx, id: number): Promise<MessageParts> {
  const { event, bytes, body, media, contexts } = await events.message(tx, id);
  return { body: body ?? (bytes === null ? null : await events.body(tx, event.id)), media, contexts };
}

async function isHeld(tx: Tx, { heldFrom }: FeedWish, row: Row): Promise<boolean> {
  if (heldFrom === undefined || row.received_at < heldFrom || row.dialect === "notice") return false;
  const id = tx.ids.show("evt", row.id);
  return (await events.listMedia(tx, id)).some((medium) => isPending(medium, id));
}

/** As a body says it: a thumbnail that is fetched again is pending only for the event that announced it again. */
function isPending({ state, key, eventId }: Medium, event: string): boolean {
  return (state === "pending" || state === "running") && (key === null || eventId === event);
}

function beginning(tx: Tx, { after }: FeedWish, newest: number): number {
  if (after === "oldest") return 0;
  if (after === "end") return newest;
  if ("since" in after) return Math.max(0, idAt(after.since) - 1);
  return "event" in after ? tx.ids.read("evt", after.event) - 1 : readPosition(after.position);
}

function readPosition(text: string): number {
  const position = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(position)) throw new RelayError("invalid_query", "this is no position of the feed");
  return position;
}
