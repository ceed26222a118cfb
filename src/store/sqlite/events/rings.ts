import type { Sql } from "../rows/sql.ts";

/** What a row costs beside its body, so that a flood of empty bodies is bounded too. */
const ROW_COST = 256;

/** A row that is about to be inserted. */
type Entry = { id: number; source: string; bytes: number; isEvent: boolean };

/** A bounded part of the quarantine. */
export type Ring = {
  /** Makes room for a row; returns the number for its column `ring`. */
  add(entry: Entry): number;
  /** What the ring holds may have changed without it. */
  forget(): void;
};

/** The oldest leaves first. */
export function createPlainRing(db: Sql, number: number, limit: () => number): Ring {
  const sizeOf = prepareSize(db);
  // By the primary key, from the last one that left: the index by ring has them in the order of their sizes.
  const oldest = db.prepare<[number, number], { id: number; bytes: number }>(
    "SELECT id, bytes FROM quarantine WHERE +ring = ? AND id > ? ORDER BY id LIMIT 1",
  );
  const drop = prepareDrop(db);
  let total: number | null = null;
  let left = 0;
  return {
    forget() {
      total = null;
      left = 0;
    },
    add({ bytes }) {
      total = (total ?? sizeOf(number, number).total) + bytes + ROW_COST;
      while (total > limit()) {
        const row = oldest.get(number, left);
        if (row === undefined) break;
        drop.run(row.id);
        left = row.id;
        total -= row.bytes + ROW_COST;
      }
      return number;
    },
  };
}

/** Rows of one address, the oldest first; those before `from` have left. */
type Queue = { bytes: number; from: number; rows: { id: number; bytes: number }[] };

/** Who holds how much of a ring. */
type Held = { total: number; newest: number; others: Queue; bySource: Map<string, Queue> };

/** A queue is shortened once so many rows of it have left. */
const WORTH_SHORTENING = 1_000;

/**
 * First leaves what does not read as an event, the oldest first; then the oldest of the address that holds most. The two
 * kinds have a number each in the column `ring`. Who holds how much is in memory, once something has to leave: the table
 * has no index by address.
 */
export function createFairRing(db: Sql, numbers: { events: number; others: number }, limit: () => number): Ring {
  const sizeOf = prepareSize(db);
  const list = db.prepare<[number, number], { id: number; ring: number; source: string; bytes: number }>(
    "SELECT id, ring, source, bytes FROM quarantine INDEXED BY quarantine_ring WHERE ring IN (?, ?)",
  );
  const drop = prepareDrop(db);
  let total: number | null = null;
  let held: Held | null = null;

  function readHeld(): Held {
    const read: Held = { total: 0, newest: 0, others: emptyQueue(), bySource: new Map() };
    const rows = list.all(numbers.events, numbers.others).sort((a, b) => a.id - b.id);
    for (const row of rows) place({ ...row, isEvent: row.ring === numbers.events }, read);
    return read;
  }

  /** Drops one row; returns the room that it took, 0 where none may leave: no event leaves for what is none. */
  function dropOne(isForEvent: boolean): number {
    held ??= readHeld();
    const queue = !isEmpty(held.others) ? held.others : isForEvent ? largest(held.bySource) : undefined;
    if (queue === undefined) return 0;
    const row = queue.rows[queue.from]!;
    drop.run(row.id);
    const freed = row.bytes + ROW_COST;
    held.total -= freed;
    queue.bytes -= freed;
    queue.from++;
    if (queue.from > WORTH_SHORTENING && queue.from * 2 > queue.rows.length) {
      queue.rows = queue.rows.slice(queue.from);
      queue.from = 0;
    }
    return freed;
  }

  return {
    forget() {
      total = null;
    },
    add(entry) {
      if (total === null) {
        const size = sizeOf(numbers.events, numbers.others);
        total = size.total;
        if (held !== null && (held.total !== size.total || held.newest !== size.newest)) held = null;
      }
      total += entry.bytes + ROW_COST;
      while (total > limit()) {
        const freed = dropOne(entry.isEvent);
        if (freed === 0) break;
        total -= freed;
      }
      if (held !== null) place(entry, held);
      return entry.isEvent ? numbers.events : numbers.others;
    },
  };
}

function prepareSize(db: Sql) {
  const statement = db.prepare<[number, number, number], { total: number; newest: number }>(
    `SELECT coalesce(sum(bytes + ?), 0) AS total, coalesce(max(id), 0) AS newest
       FROM quarantine INDEXED BY quarantine_ring WHERE ring IN (?, ?)`,
  );
  return (one: number, other: number) => statement.get(ROW_COST, one, other)!;
}

function prepareDrop(db: Sql) {
  return db.prepare<[number]>("DELETE FROM quarantine WHERE id = ?");
}

function place({ id, source, bytes, isEvent }: Entry, held: Held): void {
  let queue = held.others;
  if (isEvent) {
    queue = held.bySource.get(source) ?? emptyQueue();
    held.bySource.set(source, queue);
  }
  queue.rows.push({ id, bytes });
  queue.bytes += bytes + ROW_COST;
  held.total += bytes + ROW_COST;
  held.newest = Math.max(held.newest, id);
}

function emptyQueue(): Queue {
  return { bytes: 0, from: 0, rows: [] };
}

function isEmpty({ rows, from }: Queue): boolean {
  return from === rows.length;
}

function largest(queues: Map<string, Queue>): Queue | undefined {
  let found: Queue | undefined;
  for (const [source, queue] of queues) {
    if (isEmpty(queue)) queues.delete(source);
    else if (found === undefined || queue.bytes > found.bytes) found = queue;
  }
  return found;
}
