import type { Pruned } from "../../../model/retention.ts";
import { sql, type Tx } from "../tx.ts";

// Bodies of an event's repetitions, of which there may be any number: they go before its own.

/** What may still go in one piece. `isBegun`: some of it has. */
export type Room = { rows: number; bytes: number; isBegun: boolean };

type Sized = { id: number; bytes: number | null };

const NEXT = sql<[number, number], Sized>(
  "SELECT id, length(body) AS bytes FROM duplicates WHERE event = ? ORDER BY id LIMIT ?",
);
const DROP = sql<[number, number]>("DELETE FROM duplicates WHERE event = ? AND id <= ?");
const ALL = sql<[number], { rows: number; bytes: number | null }>(
  "SELECT count(*) AS rows, sum(length(body)) AS bytes FROM duplicates WHERE event = ?",
);

/**
 * Prunes the first of them, as many as there is room for, and one where the piece has begun with them. Returns whether none is
 * left: what is left says itself how far this has come.
 */
export async function prune(tx: Tx, event: number, room: Room, pruned: Pruned): Promise<boolean> {
  const found = await tx.all(NEXT, [event, room.rows + 1]);
  let last: Sized | null = null;
  for (const row of found) {
    const bytes = row.bytes ?? 0;
    if (room.rows === 0 || (room.isBegun && bytes > room.bytes)) break;
    room.rows--;
    room.bytes -= bytes;
    room.isBegun = true;
    pruned.duplicates.rows++;
    pruned.duplicates.bytes += bytes;
    last = row;
  }
  if (last !== null) tx.write(DROP, [event, last.id]);
  return last === (found.at(-1) ?? null);
}

/** Counts what `prune` would take of an event in all its pieces. */
export async function count(tx: Tx, event: number, pruned: Pruned): Promise<void> {
  const { rows, bytes } = (await tx.get(ALL, [event]))!;
  pruned.duplicates.rows += rows;
  pruned.duplicates.bytes += bytes ?? 0;
}
