import type { HeldBodies, Rings } from "../memory.ts";
import { sql, type Tx } from "../tx.ts";

/** What a row costs beside its body, so that a flood of empty bodies is bounded too. */
const ROW_COST = 256;

/** Bodies of allowed senders that are no events are kept up to this many bytes (CONTRACT, 400). */
const KEEP_INVALID = 256 * 2 ** 20;

/** The numbers of the rings, in the column `ring`: one for events, and one for what does not read as an event. */
const NUMBERS: Record<keyof Rings, { events: number | null; others: number }> = {
  invalid: { events: null, others: 0 },
  refused: { events: 1, others: 3 },
  inVain: { events: 2, others: 4 },
};

/** A row that is about to be inserted. */
type Entry = { source: string; bytes: number; isEvent: boolean };

const HELD = sql<[number, number | null, number], { ring: number; source: string; bytes: number }>(
  "SELECT ring, source, sum(bytes + ?) AS bytes FROM quarantine WHERE ring IN (?, ?) GROUP BY ring, source",
);
const OLDEST = sql<[number], { id: number; bytes: number }>(
  "SELECT id, bytes FROM quarantine WHERE ring = ? ORDER BY id LIMIT 1",
);
const OLDEST_OF = sql<[number, string], { id: number; bytes: number }>(
  "SELECT id, bytes FROM quarantine WHERE ring = ? AND source = ? ORDER BY id LIMIT 1",
);
const DROP = sql<[number]>("DELETE FROM quarantine WHERE id = ?");

/**
 * Makes room for a row in a ring; resolves with the number for its column `ring`. First leaves what does not read as an event,
 * the oldest first; then, for an event only, the oldest of the address that holds most.
 */
export async function makeRoom(tx: Tx, name: keyof Rings, { source, bytes, isEvent }: Entry): Promise<number> {
  const { rings } = tx.memory;
  const { events, others } = NUMBERS[name];
  rings[name] ??= await readHeld(tx, events, others);
  const held = rings[name];
  held.total += bytes + ROW_COST;
  while (held.total > (events === null ? KEEP_INVALID : tx.settings.keepRefused)) {
    const other = await tx.get(OLDEST, [others]);
    const owner = other === undefined && isEvent ? largest(held.bySource) : undefined;
    const row = owner === undefined ? other : await tx.get(OLDEST_OF, [events!, owner]);
    if (row === undefined) break;
    tx.write(DROP, [row.id]);
    held.total -= row.bytes + ROW_COST;
    if (owner !== undefined) add(held, owner, -row.bytes - ROW_COST);
  }
  if (events === null || !isEvent) return others;
  add(held, source, bytes + ROW_COST);
  return events;
}

async function readHeld(tx: Tx, events: number | null, others: number): Promise<HeldBodies> {
  const held: HeldBodies = { total: 0, bySource: new Map() };
  for (const { ring, source, bytes } of await tx.all(HELD, [ROW_COST, events, others])) {
    held.total += bytes;
    if (ring === events) held.bySource.set(source, bytes);
  }
  return held;
}

function add({ bySource }: HeldBodies, source: string, bytes: number): void {
  const sum = (bySource.get(source) ?? 0) + bytes;
  if (sum > 0) bySource.set(source, sum);
  else bySource.delete(source);
}

function largest(bySource: Map<string, number>): string | undefined {
  let found: string | undefined;
  let most = 0;
  for (const [source, bytes] of bySource) if (bytes > most) [found, most] = [source, bytes];
  return found;
}
