import type { ArchivedEvent, ArchivedRest, RestPlace } from "../../../model/archive.ts";
import type { QueuePlace } from "../../archive/verbs.ts";
import * as deliveries from "../deliveries/lists.ts";
import * as erasures from "../events/erasures.ts";
import * as events from "../events/events.ts";
import * as retained from "../retention/retained.ts";
import { rowsOf } from "../rows/merge.ts";
import { sql, type Tx } from "../tx.ts";
import { isSafe, revisionOf } from "./marks.ts";
import { deliveriesOf } from "./release.ts";

// What is written of an event.

/** Rows of the queue that are looked at for one piece, all of them together. */
const ROWS = 100;

/** Bytes of what comes to an event that are read with it, where many events are: the rest of it is read by itself. */
const LITTLE = 2 ** 16;

/** Deliveries of one event that are read at once. */
const AT_ONCE = 8;

/** What a row counts for beside its bytes: of many small ones, too, a piece holds few. */
const PER_ROW = 500;

type Row = { video: number; body: Uint8Array | null };
type Repetition = { id: number; received_at: number; source: string; body: Uint8Array | null };

const ROW = sql<[number], Row>("SELECT video, body FROM events WHERE id = ?");
const SIZES = { select: "SELECT id, length(body) AS bytes FROM events", column: "id" };
const NEXT_DUPLICATE = sql<[number, number], Repetition>(
  "SELECT id, received_at, source, body FROM duplicates WHERE event = ? AND id > ? ORDER BY id LIMIT 1",
);

/** The next events in the queue of a day: what there is of them, up to about `bytes` of them. */
export async function piece(
  tx: Tx,
  { day, after }: QueuePlace,
  bytes: number,
): Promise<{ events: ArchivedEvent[]; done: string[]; next: QueuePlace | null }> {
  const from = after === null ? 0 : tx.ids.read("evt", after);
  const rows = await retained.dueBehind(tx, "archive", day + 1, { since: day, id: from }, ROWS);
  const some = await firstOf(tx, rows, bytes);
  const each = Math.min(bytes, Math.max(LITTLE, bytes / some.length));
  const contents = await Promise.all(
    some.map(async ({ id }) => ((await isSafe(tx, id)) ? "safe" : contentOf(tx, id, each))),
  );
  const found: ArchivedEvent[] = [];
  const done: string[] = [];
  let left = bytes;
  for (const [at, content] of contents.entries()) {
    const name = tx.ids.show("evt", some[at]!.id);
    if (content === "safe") done.push(name);
    else {
      if (content !== null) found.push(content.event);
      left -= content?.size ?? 0;
    }
    if (left <= 0) return { events: found, done, next: { day, after: name } };
  }
  const last = some.at(-1);
  const isMore = some.length < rows.length || rows.length === ROWS;
  const next = last === undefined || !isMore ? null : { day, after: tx.ids.show("evt", last.id) };
  return { events: found, done, next };
}

/** The first of these: as many as have about this number of bytes in their bodies; one at least. */
async function firstOf(tx: Tx, rows: retained.Row[], bytes: number): Promise<retained.Row[]> {
  const ids = rows.map(({ id }) => id);
  const sizes = new Map(
    (await rowsOf<{ id: number; bytes: number | null }>(tx, SIZES, ids)).map((row) => [row.id, row.bytes ?? 0]),
  );
  let before = 0;
  return rows.filter(({ id }) => {
    const isWanted = before < bytes;
    before += sizes.get(id) ?? 0;
    return isWanted;
  });
}

/** Null: it is being erased. `size`: about its bytes. */
async function contentOf(tx: Tx, id: number, bytes: number): Promise<{ event: ArchivedEvent; size: number } | null> {
  const body = await bodyOf(tx, id);
  if (body === null) return null;
  const name = tx.ids.show("evt", id);
  const [event, media, revision, first] = await Promise.all([
    events.show(tx, name),
    events.listMedia(tx, name),
    revisionOf(tx, id),
    restOf(tx, id, { event: name, duplicate: 0, delivery: 0 }, bytes),
  ]);
  return { event: { event, revision: revision!, body, media, ...first.rest }, size: body.length + first.size };
}

/** Null: it is erased, or is being erased. */
async function bodyOf(tx: Tx, id: number): Promise<Uint8Array | null> {
  const row = await tx.get(ROW, [id]);
  return row === undefined || (await erasures.covers(tx, { video: row.video, event: id })) ? null : row.body;
}

export async function rest(tx: Tx, from: RestPlace, bytes: number): Promise<ArchivedRest> {
  const id = tx.ids.read("evt", from.event);
  if ((await bodyOf(tx, id)) === null) return { duplicates: [], deliveries: [], next: null };
  return (await restOf(tx, id, from, bytes)).rest;
}

async function restOf(
  tx: Tx,
  id: number,
  { event, duplicate, delivery }: RestPlace,
  bytes: number,
): Promise<{ rest: ArchivedRest; size: number }> {
  const rest: ArchivedRest = { duplicates: [], deliveries: [], next: null };
  const [place, sent] = [{ event, duplicate, delivery }, await deliveriesOf(tx, id)];
  let size = 0;
  for (let row = await tx.get(NEXT_DUPLICATE, [id, place.duplicate]); row !== undefined; ) {
    if (size >= bytes) return { rest: { ...rest, next: place }, size };
    const { received_at: receivedAt, source: sourceAddress, body } = row;
    rest.duplicates.push({ receivedAt, sourceAddress, body });
    size += PER_ROW + (body?.length ?? 0);
    place.duplicate = row.id;
    row = await tx.get(NEXT_DUPLICATE, [id, place.duplicate]);
  }
  while (place.delivery < sent.length) {
    const some = sent.slice(place.delivery, place.delivery + AT_ONCE);
    for (const one of await Promise.all(some.map(({ id }) => deliveries.show(tx, tx.ids.show("dlv", id))))) {
      if (size >= bytes) return { rest: { ...rest, next: place }, size };
      rest.deliveries.push(one);
      size += one.attemptLog.reduce((sum, { response }) => sum + PER_ROW + (response?.length ?? 0), PER_ROW);
      place.delivery++;
    }
  }
  return { rest, size };
}
