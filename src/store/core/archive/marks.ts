import { dayOf } from "../../../model/archive.ts";
import * as retained from "../retention/retained.ts";
import { sql, type Tx } from "../tx.ts";

// Which events the archive has, and the queue of those that it is to have (retained, "archive"): by the day of their receipt.

const OWN = "d.id > e.id AND d.id <= e.id + e.deliveries";

/** Grows with each claim of a delivery of the event, own or replayed, and with each repetition; nothing makes it smaller. */
const REVISION = `(SELECT coalesce(sum(d.claims), 0) FROM deliveries d WHERE ${OWN})
  + (SELECT coalesce(sum(r.claims), 0) FROM deliveries r WHERE r.event = e.id AND r.replay > 0) + e.duplicates`;

const STATE = sql<[number], { isEmpty: number; now: number; kept: number | null }>(
  `SELECT CASE WHEN e.body IS NULL THEN 1 ELSE 0 END AS "isEmpty", ${REVISION} AS "now",
     (SELECT a.revision FROM archived a JOIN archive_parts p ON p.id = a.part WHERE a.event = e.id AND p.state = 'kept') AS "kept"
   FROM events e WHERE e.id = ?`,
);
const RECEIVED = sql<[number], { received_at: number }>("SELECT received_at FROM events WHERE id = ?");
const MARK = sql<[number, number, number]>(
  `INSERT INTO archived (event, part, revision) VALUES (?, ?, ?)
   ON CONFLICT (event) DO UPDATE SET part = excluded.part, revision = excluded.revision`,
);
const DROP = sql<[number]>("DELETE FROM archived WHERE event = ?");

/** The present revision of an event; null: it is gone. */
export async function revisionOf(tx: Tx, event: number): Promise<number | null> {
  return (await tx.get(STATE, [event]))?.now ?? null;
}

/** Whether nothing would be lost by pruning: a part has all of it, or its body is gone, which an erasure takes with the rest. */
export async function isSafe(tx: Tx, event: number): Promise<boolean> {
  const state = await tx.get(STATE, [event]);
  return state === undefined || state.isEmpty === 1 || state.kept === state.now;
}

export const mark = (tx: Tx, event: number, part: number, revision: number) => tx.write(MARK, [event, part, revision]);

/** There is nothing left to prune of the event. */
export const unmark = (tx: Tx, event: number) => tx.write(DROP, [event]);

/** The row of an event in the queue; null: the event is gone. */
export async function queueRow(tx: Tx, event: number): Promise<retained.Row | null> {
  const row = await tx.get(RECEIVED, [event]);
  return row === undefined ? null : { what: "archive", since: dayOf(row.received_at), id: event };
}

export async function enqueue(tx: Tx, event: number): Promise<void> {
  const row = await queueRow(tx, event);
  if (row !== null) retained.keep(tx, row.what, row.since, row.id);
}
