import type { Expiry, Pruned } from "../../../model/retention.ts";
import * as marks from "../archive/marks.ts";
import type { DeliveryRow as Delivery } from "../deliveries/lanes.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import * as bodies from "./bodies.ts";
import type { Reached } from "./reached.ts";
import * as retained from "./retained.ts";

/** Deliveries that are looked through for one that had more than one attempt. */
const LOOKS_PER_ROW = 8;

type Sum = { count: number; bytes: number | null };
type Row = Pick<Delivery, "id" | "event" | "settled_at"> & { last: number | null; count: number };
type Old = { n: number; bytes: number | null };

// Attempts of deliveries that have ended, all but the last of each (CONTRACT, "Retention"). One that has not ended may have
// none yet, so that deliveries are gone through, and not attempts.

const COLUMNS = `d.id, d.event, d.settled_at, (SELECT max(n) FROM attempts WHERE delivery = d.id) AS last,
  (SELECT count(*) FROM attempts WHERE delivery = d.id) AS count FROM deliveries d`;
const NEXT = sql<[number, number, number], Row>(`SELECT ${COLUMNS} WHERE d.id > ? AND d.id < ? ORDER BY d.id LIMIT ?`);
const BY_ID = sql<[number], Row>(`SELECT ${COLUMNS} WHERE d.id = ?`);
const FIRST = sql<[number, number], unknown>("SELECT 1 FROM deliveries WHERE id > ? AND id < ? LIMIT 1");
const OLD = sql<[number, number, number], Old>(
  "SELECT n, length(response) AS bytes FROM attempts WHERE delivery = ? AND n < ? ORDER BY n LIMIT ?",
);
const ALL_OLD = sql<[number, number], Sum>(
  "SELECT count(*) AS count, sum(length(response)) AS bytes FROM attempts WHERE delivery = ? AND n < ?",
);
const DROP = sql<[number, number]>("DELETE FROM attempts WHERE delivery = ? AND n <= ?");

/** Whether there is something to look at. */
export async function isAny(tx: Tx, { attempts }: Expiry, reached: Pick<Reached, "attempts">): Promise<boolean> {
  const [again, next] = await Promise.all([
    retained.due(tx, "attempts", attempts, 1),
    tx.get(FIRST, [reached.attempts, idAt(attempts)]),
  ]);
  return again.length > 0 || next !== undefined;
}

const hasEnded = ({ settled_at }: Row, { attempts }: Expiry) => settled_at !== null && settled_at < attempts;

/** Prunes the next few, and moves `reached`; returns whether there may be more. */
export async function prune(
  tx: Tx,
  expiry: Expiry,
  { reached, pruned, limit, now }: { reached: Reached; pruned: Pruned; limit: number; now: number },
): Promise<boolean> {
  const { attempts } = expiry;
  let left = limit;
  for (const again of await retained.due(tx, "attempts", attempts, limit)) {
    const row = await tx.get(BY_ID, [again.id]);
    if (row !== undefined && !(await one(row))) return true;
    retained.drop(tx, again);
    if (row !== undefined && !hasEnded(row, expiry)) keep(row);
    left--;
    if (left <= 0) return true;
  }
  const looks = limit * LOOKS_PER_ROW;
  const found = await tx.all(NEXT, [reached.attempts, idAt(attempts), looks]);
  for (const row of found) {
    if (left <= 0 || !(await one(row))) return true;
    if (!hasEnded(row, expiry)) keep(row);
    reached.attempts = row.id;
  }
  return found.length === looks;

  function keep({ id, settled_at }: Row): void {
    retained.keep(tx, "attempts", settled_at ?? now, id);
  }

  /** Returns whether nothing more is to be pruned of it now. */
  async function one(row: Row): Promise<boolean> {
    if (row.count < 2 || !hasEnded(row, expiry)) return true;
    if (expiry.archives && !(await marks.isSafe(tx, row.event))) {
      await marks.enqueue(tx, row.event);
      return true;
    }
    const most = Math.max(1, left);
    const old = await tx.all(OLD, [row.id, row.last!, most]);
    if (old.length > 0) tx.write(DROP, [row.id, old.at(-1)!.n]);
    for (const { bytes } of old) pruned.attempts.bytes += bytes ?? 0;
    pruned.attempts.rows += old.length;
    left -= old.length;
    return old.length < most;
  }
}

/**
 * Counts what `prune` would take of the deliveries behind `from`, without those that go with the body of their event; returns
 * the last that was looked at; null: there are no more.
 */
export async function count(
  tx: Tx,
  expiry: Expiry,
  { from, limit, ...counting }: bodies.Counting & { from: number; limit: number },
): Promise<number | null> {
  const found = await tx.all(NEXT, [from, idAt(expiry.attempts), limit]);
  for (const row of found) await countOne(tx, expiry, row, counting);
  return found.length < limit ? null : found.at(-1)!.id;
}

/** The same of one delivery that is to be looked at again. */
export async function countAgain(tx: Tx, expiry: Expiry, id: number, counting: bodies.Counting): Promise<void> {
  const row = await tx.get(BY_ID, [id]);
  if (row !== undefined) await countOne(tx, expiry, row, counting);
}

async function countOne(tx: Tx, expiry: Expiry, row: Row, { pruned, toArchive }: bodies.Counting): Promise<void> {
  if (row.count < 2 || !hasEnded(row, expiry) || (await bodies.hasExpired(tx, expiry, row.event))) return;
  const { count, bytes } = (await tx.get(ALL_OLD, [row.id, row.last!]))!;
  pruned.attempts.rows += count;
  pruned.attempts.bytes += bytes ?? 0;
  if (expiry.archives && !(await marks.isSafe(tx, row.event))) toArchive.add(row.event);
}
