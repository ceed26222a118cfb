import type { Expiry } from "../../../model/retention.ts";
import * as marks from "../archive/marks.ts";
import type { DeliveryRow as Delivery } from "../deliveries/lanes.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import * as bodies from "./bodies.ts";
import { firstHeld, type Pruning } from "./pruning.ts";
import type { Reached } from "./reached.ts";
import * as retained from "./retained.ts";

/** Deliveries that are looked through for one that had more than one attempt. */
const LOOKS_PER_ROW = 8;

type Sum = { count: number; bytes: number | null };
type Row = Pick<Delivery, "id" | "event" | "video" | "settled_at"> & { last: number | null; count: number };
type Old = { n: number; bytes: number | null };

// Attempts of deliveries that have ended, all but the last of each (CONTRACT, "Retention"). One that has not ended may have
// none yet, so that deliveries are gone through, and not attempts.

const COLUMNS = `d.id, d.event, d.video, d.settled_at, (SELECT max(n) FROM attempts WHERE delivery = d.id) AS last,
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

/** A delivery to be looked at: again, where `again` is its row of those; it may be gone then. */
type Found = { row: Row | undefined; again: retained.Row | null };

async function find(
  tx: Tx,
  { attempts }: Expiry,
  { reached, limit }: Pick<Pruning, "reached" | "limit">,
): Promise<{ found: Found[]; isMore: boolean }> {
  const looks = limit * LOOKS_PER_ROW;
  const due = await retained.due(tx, "attempts", attempts, limit);
  if (due.length === limit) {
    const rows = await Promise.all(due.map(({ id }) => tx.get(BY_ID, [id])));
    return { found: due.map((again, at) => ({ row: rows[at], again })), isMore: true };
  }
  const [next, ...rows] = await Promise.all([
    tx.all(NEXT, [reached.attempts, idAt(attempts), looks]),
    ...due.map(({ id }) => tx.get(BY_ID, [id])),
  ]);
  const found: Found[] = due.map((again, at) => ({ row: rows[at], again }));
  return { found: found.concat(next.map((row) => ({ row, again: null }))), isMore: next.length === looks };
}

/** The videos of the next few that would be pruned. */
export async function videosOfNext(
  tx: Tx,
  expiry: Expiry,
  place: Pick<Pruning, "reached" | "limit">,
): Promise<number[]> {
  const { found } = await find(tx, expiry, place);
  return found.flatMap(({ row }) => row?.video ?? []);
}

/** Prunes the next few; returns whether there may be more. */
export async function prune(
  tx: Tx,
  expiry: Expiry,
  { reached, pruned, limit, now, isHeld }: Pruning,
): Promise<boolean> {
  const next = await find(tx, expiry, { reached, limit });
  const found = firstHeld(next.found, ({ row }) => row?.video, isHeld);
  const isSafe = await Promise.all(
    found.map(async ({ row }) => !isOld(row) || !expiry.archives || marks.isSafe(tx, row.event)),
  );
  const taken: { row: Row; most: number }[] = [];
  const queued: number[] = [];
  let left = limit;
  let isCut = found.length < next.found.length;
  for (const [at, { row, again }] of found.entries()) {
    if (left <= 0) {
      isCut = true;
      break;
    }
    if (isOld(row) && isSafe[at]) {
      const most = Math.min(left, row.count - 1);
      taken.push({ row, most });
      left -= most;
      // The rest of it is for the next piece.
      if (most < row.count - 1) {
        isCut = true;
        break;
      }
    } else if (isOld(row)) queued.push(row.event);
    if (again === null) reached.attempts = row!.id;
    else {
      retained.drop(tx, again);
      left--;
    }
    if (row !== undefined && !hasEnded(row, expiry)) retained.keep(tx, "attempts", row.settled_at ?? now, row.id);
  }
  await Promise.all([
    ...taken.map(({ row, most }) => drop(row, most)),
    ...queued.map((event) => marks.enqueue(tx, event)),
  ]);
  return next.isMore || isCut;

  function isOld(row: Row | undefined): row is Row {
    return row !== undefined && row.count > 1 && hasEnded(row, expiry);
  }

  async function drop(row: Row, most: number): Promise<void> {
    const old = await tx.all(OLD, [row.id, row.last!, most]);
    if (old.length > 0) tx.write(DROP, [row.id, old.at(-1)!.n]);
    for (const { bytes } of old) pruned.attempts.bytes += bytes ?? 0;
    pruned.attempts.rows += old.length;
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
  await Promise.all(found.map((row) => countOne(tx, expiry, row, counting)));
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
