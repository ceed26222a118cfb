import type { HeldBodies as Held, BodyQueue as Queue, Rings } from "../memory.ts";
import { sql, type Tx } from "../tx.ts";

/** What a row costs beside its body, so that a flood of empty bodies is bounded too. */
const ROW_COST = 256;

/** Bodies of allowed senders that are no events are kept up to this many bytes (CONTRACT, 400). */
const KEEP_INVALID = 256 * 2 ** 20;

/** A queue is shortened once this many rows of it have left. */
const WORTH_SHORTENING = 1_000;

/** The numbers of the rings, in the column `ring`: the fair ones have one for events and one for what is none. */
const INVALID = 0;
const NUMBERS = { refused: { events: 1, others: 3 }, inVain: { events: 2, others: 4 } };

/** A row that is about to be inserted. */
type Entry = { id: number; source: string; bytes: number; isEvent: boolean };

const SIZE = sql<[number, number, number], { total: number; newest: number }>(
  `SELECT coalesce(sum(bytes + ?), 0) AS total, coalesce(max(id), 0) AS newest
     FROM quarantine WHERE ring IN (?, ?)`,
);
const DROP = sql<[number]>("DELETE FROM quarantine WHERE id = ?");
// By the primary key, from the last one that left: the index by ring has them in the order of their sizes, and is not used for a sum.
const OLDEST = sql<[number, number], { id: number; bytes: number }>(
  "SELECT id, bytes FROM quarantine WHERE ring + 0 = ? AND id > ? ORDER BY id LIMIT 1",
);
const LIST = sql<[number, number], { id: number; ring: number; source: string; bytes: number }>(
  "SELECT id, ring, source, bytes FROM quarantine WHERE ring IN (?, ?)",
);

/** Makes room for a row in a ring; resolves with the number for its column `ring`. */
export function makeRoom(tx: Tx, name: keyof Rings, entry: Entry): Promise<number> {
  return name === "invalid" ? makeInvalidRoom(tx, entry) : makeFairRoom(tx, name, entry);
}

/** The oldest leaves first. */
async function makeInvalidRoom(tx: Tx, { bytes }: Entry): Promise<number> {
  const ring = tx.memory.rings.invalid;
  let total = ring.total ?? (await tx.get(SIZE, [ROW_COST, INVALID, INVALID]))!.total;
  total += bytes + ROW_COST;
  while (total > KEEP_INVALID) {
    const row = await tx.get(OLDEST, [INVALID, ring.left]);
    if (row === undefined) break;
    tx.write(DROP, [row.id]);
    ring.left = row.id;
    total -= row.bytes + ROW_COST;
  }
  ring.total = total;
  return INVALID;
}

/** First leaves what does not read as an event, the oldest first; then the oldest of the address that holds most. */
async function makeFairRoom(tx: Tx, name: "refused" | "inVain", entry: Entry): Promise<number> {
  const ring = tx.memory.rings[name];
  const { events, others } = NUMBERS[name];
  let { total } = ring;
  if (total === null) {
    const size = (await tx.get(SIZE, [ROW_COST, events, others]))!;
    total = size.total;
    if (ring.held !== null && (ring.held.total !== size.total || ring.held.newest !== size.newest)) ring.held = null;
  }
  total += entry.bytes + ROW_COST;
  while (total > tx.settings.keepRefused) {
    ring.held ??= await readHeld(tx, name);
    const freed = dropOne(tx, ring.held, entry.isEvent);
    if (freed === 0) break;
    total -= freed;
  }
  ring.total = total;
  if (ring.held !== null) place(entry, ring.held);
  return entry.isEvent ? events : others;
}

async function readHeld(tx: Tx, name: "refused" | "inVain"): Promise<Held> {
  const { events, others } = NUMBERS[name];
  const read: Held = { total: 0, newest: 0, others: emptyQueue(), bySource: new Map() };
  const rows = (await tx.all(LIST, [events, others])).sort((a, b) => a.id - b.id);
  for (const row of rows) place({ ...row, isEvent: row.ring === events }, read);
  return read;
}

/** Drops one row; returns the room that it took, 0 where none may leave: no event leaves for what is none. */
function dropOne(tx: Tx, held: Held, isForEvent: boolean): number {
  const queue = !isEmpty(held.others) ? held.others : isForEvent ? largest(held.bySource) : undefined;
  if (queue === undefined) return 0;
  const row = queue.rows[queue.from]!;
  tx.write(DROP, [row.id]);
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
