import type { ArchivedEvent } from "../../../model/archive.ts";
import type { QueuePlace } from "../../archive/verbs.ts";
import * as deliveries from "../deliveries/lists.ts";
import * as erasures from "../events/erasures.ts";
import * as events from "../events/events.ts";
import * as retained from "../retention/retained.ts";
import { sql, type Tx } from "../tx.ts";
import { isSafe, revisionOf } from "./marks.ts";
import { deliveriesOf } from "./release.ts";

// What is written of an event.

/** Rows of the queue that are looked at for one piece. */
const ROWS = 200;

type Row = { video: number; body: Uint8Array | null };
type Repetition = { received_at: number; source: string; body: Uint8Array | null };

const ROW = sql<[number], Row>("SELECT video, body FROM events WHERE id = ?");
const DUPLICATES = sql<[number], Repetition>(
  "SELECT received_at, source, body FROM duplicates WHERE event = ? ORDER BY id",
);

/** The next events in the queue of a day: what there is of them, up to about `bytes` of them. */
export async function piece(
  tx: Tx,
  { day, after }: QueuePlace,
  bytes: number,
): Promise<{ events: ArchivedEvent[]; done: string[]; next: QueuePlace | null }> {
  const from = after === null ? 0 : tx.ids.read("evt", after);
  const rows = await retained.dueBehind(tx, "archive", day + 1, { since: day, id: from }, ROWS);
  const found: ArchivedEvent[] = [];
  const done: string[] = [];
  let left = bytes;
  for (const { id } of rows) {
    const name = tx.ids.show("evt", id);
    if (await isSafe(tx, id)) done.push(name);
    else {
      const event = await contentOf(tx, id);
      if (event !== null) found.push(event);
      left -= event === null ? 0 : sizeOf(event);
    }
    if (left <= 0) return { events: found, done, next: { day, after: name } };
  }
  const last = rows.at(-1);
  const next = last === undefined || rows.length < ROWS ? null : { day, after: tx.ids.show("evt", last.id) };
  return { events: found, done, next };
}

/** Null: it is being erased. */
async function contentOf(tx: Tx, id: number): Promise<ArchivedEvent | null> {
  const { video, body } = (await tx.get(ROW, [id]))!;
  if (body === null || (await erasures.covers(tx, { video, event: id }))) return null;
  const name = tx.ids.show("evt", id);
  const [event, media, repeated, sent] = await Promise.all([
    events.show(tx, name),
    events.listMedia(tx, name),
    tx.all(DUPLICATES, [id]),
    deliveriesOf(tx, id),
  ]);
  const duplicates = repeated.map(({ received_at, source, ...rest }) => ({
    ...{ receivedAt: received_at, sourceAddress: source },
    ...rest,
  }));
  const all: ArchivedEvent["deliveries"] = [];
  for (const one of sent) all.push(await deliveries.show(tx, tx.ids.show("dlv", one.id)));
  return { event, revision: (await revisionOf(tx, id))!, body, duplicates, media, deliveries: all };
}

function sizeOf({ body, duplicates, deliveries }: ArchivedEvent): number {
  const answers = deliveries.flatMap(({ attemptLog }) => attemptLog.map(({ response }) => response?.length ?? 0));
  const repeated = duplicates.map((one) => one.body?.length ?? 0);
  return [...answers, ...repeated].reduce((sum, bytes) => sum + bytes, body.length);
}
