import type { Expiry, Pruned } from "../../../model/retention.ts";
import { goesWhole, isAutosave, type Said } from "../../../rules/autosave.ts";
import * as marks from "../archive/marks.ts";
import { inLanes } from "../rows/named.ts";
import { PER_MS } from "../rows/numbers.ts";
import { idAt } from "../rows/paging.ts";
import { insert, sql, type Tx, type Value } from "../tx.ts";
import { firstHeld, type Pruning } from "./pruning.ts";
import { noteGone, type Reached } from "./reached.ts";
import * as repetitions from "./repetitions.ts";
import * as retained from "./retained.ts";

/** Stands for the end of what has not ended. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Events on each side of an autosave that may decide whether it goes. */
const NEAR = 20;

/** Bodies of events, and of repetitions, in one piece, in bytes; one at least. */
const BYTES_PER_PIECE = 2 ** 20;

type Near = Omit<Said, "late"> & {
  id: number;
  video: number;
  sequence: number;
  failure: number;
  late: number | null;
  deliveries: number;
  repetitions: number;
  /** Of the body; null: it is gone. */
  bytes: number | null;
};

type Row = Near & {
  /** When the last of its own deliveries, of its replays, and of its media ended; null: it has none. */
  own: number | null;
  replays: number | null;
  media: number | null;
};

// Bodies of events, and what goes with them: attempts, duplicates, and autosaves as a whole (CONTRACT, "Retention").

const ENDED = `max(CASE WHEN settled_at IS NULL THEN ${NEVER} ELSE settled_at END)`;
const NEAR_COLUMNS = `e.id, e.type, e.context, e.video, e.sequence, e.failure, a.late, e.deliveries,
  e.duplicates AS repetitions, length(e.body) AS bytes`;
const COLUMNS = `${NEAR_COLUMNS},
  (SELECT ${ENDED} FROM deliveries WHERE id > e.id AND id <= e.id + e.deliveries) AS own,
  (SELECT ${ENDED} FROM deliveries WHERE event = e.id AND replay > 0) AS replays,
  (SELECT max(CASE WHEN state IN ('pending', 'running') THEN ${NEVER} ELSE coalesce(settled_at, 0) END) FROM media
     WHERE id IN (e.video_medium, e.thumbnail_medium)) AS media`;
const FROM = "FROM events e LEFT JOIN annotations a ON a.event = e.id";
const NEXT = sql<[number, number, number], Row>(
  `SELECT ${COLUMNS} ${FROM} WHERE e.id > ? AND e.id < ? ORDER BY e.id LIMIT ?`,
);
const BY_ID = sql<[number], Row>(`SELECT ${COLUMNS} ${FROM} WHERE e.id = ?`);
const FIRST = sql<[number, number], { id: number }>(
  "SELECT id FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT 1",
);
const BEFORE = sql<[number, number, number], Near>(
  `SELECT ${NEAR_COLUMNS} ${FROM} WHERE e.video = ? AND e.sequence > 0 AND e.sequence < ? ORDER BY e.sequence DESC LIMIT ?`,
);
const AFTER = sql<[number, number, number], Near>(
  `SELECT ${NEAR_COLUMNS} ${FROM} WHERE e.video = ? AND e.sequence > ? ORDER BY e.sequence LIMIT ?`,
);
const OWN_ATTEMPTS = sql<[number, number], Sum>(
  "SELECT count(*) AS rows, sum(length(response)) AS bytes FROM attempts WHERE delivery > ? AND delivery <= ?",
);
const OF_REPLAYS = "delivery IN (SELECT id FROM deliveries WHERE event = ? AND replay > 0)";
const REPLAYS_ATTEMPTS = sql<[number], Sum>(
  `SELECT count(*) AS rows, sum(length(response)) AS bytes FROM attempts WHERE ${OF_REPLAYS}`,
);
const DROP_OWN_ATTEMPTS = sql<[number, number]>("DELETE FROM attempts WHERE delivery > ? AND delivery <= ?");
const DROP_REPLAYS_ATTEMPTS = sql<[number]>(`DELETE FROM attempts WHERE ${OF_REPLAYS}`);
const DROP_BODY = sql<[number]>("UPDATE events SET body = NULL WHERE id = ?");
const WHOLE = sql<[number], Record<string, Value>>("SELECT * FROM events WHERE id = ?");
const DROP_EVENT = sql<[number]>("DELETE FROM events WHERE id = ?");
const DROP_OWN = sql<[number, number]>("DELETE FROM deliveries WHERE id > ? AND id <= ?");
const REPLAYS = sql<[number], { id: number }>("SELECT id FROM deliveries WHERE event = ? AND replay > 0");
const DROP_DELIVERY = sql<[number]>("DELETE FROM deliveries WHERE id = ?");
const DROP_ANNOTATION = sql<[number]>("DELETE FROM annotations WHERE event = ?");

type Sum = { rows: number; bytes: number | null };

/** Whether there is something to look at. */
export async function isAny(tx: Tx, { bodies }: Expiry, reached: Pick<Reached, "bodies">): Promise<boolean> {
  const [again, next] = await Promise.all([
    retained.due(tx, "body", bodies, 1),
    tx.get(FIRST, [reached.bodies, idAt(bodies)]),
  ]);
  return again.length > 0 || next !== undefined;
}

/** Events that may have expired: those to look at again, then the next in order of their ids. */
async function find(
  tx: Tx,
  { bodies }: Expiry,
  from: number,
  limit: number,
): Promise<{ found: Found[]; isMore: boolean }> {
  const due = await retained.due(tx, "body", bodies, limit);
  const found: Found[] = [];
  let bytes = 0;
  /** One at least, however large it is. */
  const fits = (row: Pick<Row, "bytes"> | undefined) => {
    bytes += row?.bytes ?? 0;
    return found.length === 0 || bytes <= BYTES_PER_PIECE;
  };
  const rows = await Promise.all(due.map(({ id }) => tx.get(BY_ID, [id])));
  for (const [at, again] of due.entries()) {
    const row = rows[at];
    if (!fits(row)) return { found, isMore: true };
    found.push({ row, again });
  }
  const next = due.length < limit ? await tx.all(NEXT, [from, idAt(bodies), limit - due.length]) : [];
  for (const row of next) {
    if (!fits(row)) return { found, isMore: true };
    found.push({ row, again: null });
  }
  return { found, isMore: due.length + next.length === limit };
}

/** `again`: its row among those to look at again; null: it is looked at for the first time. */
type Found = { row: Row | undefined; again: retained.Row } | { row: Row; again: null };

/** When all of an event's work ended; `NEVER`: it has not. An event without any ended as it was accepted. */
const endOf = ({ id, own, replays, media }: Row) =>
  Math.max(Math.floor(id / PER_MS), own ?? 0, replays ?? 0, media ?? 0);

/** The videos of the next few that would be pruned. */
export async function videosOfNext(
  tx: Tx,
  expiry: Expiry,
  { reached, limit }: Pick<Pruning, "reached" | "limit">,
): Promise<number[]> {
  const { found } = await find(tx, expiry, reached.bodies, limit);
  return found.flatMap(({ row }) => row?.video ?? []);
}

/** Prunes the next few; returns whether there may be more. */
export async function prune(
  tx: Tx,
  expiry: Expiry,
  { reached, pruned, limit, now, isHeld }: Pruning,
): Promise<boolean> {
  const next = await find(tx, expiry, reached.bodies, limit);
  const found = firstHeld(next.found, ({ row }) => row?.video, isHeld);
  const judged = await Promise.all(
    found.map(async ({ row, again }) => {
      const hasEnded = row !== undefined && endOf(row) < expiry.bodies;
      const goes = hasEnded && (!expiry.archives || (await marks.isSafe(tx, row.id)));
      return { row, again, hasEnded, goes };
    }),
  );
  const room = { rows: limit, bytes: BYTES_PER_PIECE, isBegun: false };
  const some: typeof judged = [];
  for (const one of judged) {
    const { row, again, goes } = one;
    // What is left of it is for the next piece.
    if (goes && row!.repetitions > 0 && !(await repetitions.prune(tx, row!.id, room, pruned))) break;
    if (again === null) reached.bodies = row!.id;
    else retained.drop(tx, again);
    some.push(one);
  }
  await inLanes(tx, some, ({ row }) => row?.video, pruneOne);
  return next.isMore || some.length < next.found.length;

  async function pruneOne({ row, hasEnded, goes }: (typeof judged)[number]): Promise<void> {
    if (row === undefined) return;
    if (goes) return expire(tx, expiry, row, { reached, pruned });
    if (hasEnded) return marks.enqueue(tx, row.id);
    const ended = endOf(row);
    retained.keep(tx, "body", ended === NEVER ? now : ended, row.id);
  }
}

/** Counts what `prune` would take of the events behind `from`; returns the last that was looked at; null: there are no more. */
export async function count(
  tx: Tx,
  expiry: Expiry,
  { from, pruned, toArchive, limit }: Counting & { from: number; limit: number },
): Promise<number | null> {
  const rows = await tx.all(NEXT, [from, idAt(expiry.bodies), limit]);
  const expired = rows.filter((row) => endOf(row) < expiry.bodies);
  await Promise.all(expired.map((row) => countExpired(tx, expiry, row, { pruned, toArchive })));
  return rows.length < limit ? null : rows.at(-1)!.id;
}

/** What it adds to; `toArchive` has the events that are archived before anything of them goes. */
export type Counting = { pruned: Pruned; toArchive: Set<number> };

/** The same of one event that is to be looked at again. */
export async function countAgain(tx: Tx, expiry: Expiry, id: number, counting: Counting): Promise<void> {
  const row = await tx.get(BY_ID, [id]);
  if (row !== undefined && endOf(row) < expiry.bodies) await countExpired(tx, expiry, row, counting);
}

async function countExpired(tx: Tx, expiry: Expiry, row: Row, { pruned, toArchive }: Counting): Promise<void> {
  await countOne(tx, row, pruned);
  if (row.repetitions > 0) await repetitions.count(tx, row.id, pruned);
  if (expiry.archives && !(await marks.isSafe(tx, row.id))) toArchive.add(row.id);
}

/** Whether an event has expired. */
export async function hasExpired(tx: Tx, { bodies }: Expiry, id: number): Promise<boolean> {
  const row = await tx.get(BY_ID, [id]);
  return row === undefined || endOf(row) < bodies;
}

/** Without its repetitions. `before`: the autosave before it, where it is one. */
async function countOne(tx: Tx, row: Row, pruned: Pruned): Promise<{ isWhole: boolean; before: Near | undefined }> {
  const [own, replays] = await Promise.all([
    row.deliveries > 0 ? tx.get(OWN_ATTEMPTS, [row.id, row.id + row.deliveries]) : undefined,
    row.replays === null ? undefined : tx.get(REPLAYS_ATTEMPTS, [row.id]),
  ]);
  add(pruned.attempts, own);
  add(pruned.attempts, replays);
  const { isWhole, before } = await judge(tx, row);
  if (isWhole) add(pruned.autosaves, { rows: 1, bytes: row.bytes });
  else if (row.bytes !== null) add(pruned.bodies, { rows: 1, bytes: row.bytes });
  return { isWhole, before };
}

function add(to: { rows: number; bytes: number }, sum: Sum | undefined): void {
  to.rows += sum?.rows ?? 0;
  to.bytes += sum?.bytes ?? 0;
}

/** Whether an expired event goes whole, and the autosave before it. */
async function judge(tx: Tx, row: Near): Promise<{ isWhole: boolean; before: Near | undefined }> {
  if (!isAutosave(row.type)) return { isWhole: false, before: undefined };
  const [before, after] = await Promise.all([
    tx.all(BEFORE, [row.video, row.sequence, NEAR]),
    tx.all(AFTER, [row.video, row.sequence, NEAR]),
  ]);
  const said = (one: Near) => ({ ...one, failure: one.failure === 1, late: one.late === 1 });
  const isWhole = goesWhole(said(row), { before: before.map(said), after: after.map(said) });
  return { isWhole, before: before.find(({ type }) => isAutosave(type)) };
}

async function expire(
  tx: Tx,
  expiry: Expiry,
  row: Row,
  { reached, pruned }: { reached: Reached; pruned: Pruned },
): Promise<void> {
  const { isWhole, before } = await countOne(tx, row, pruned);
  if (row.deliveries > 0) tx.write(DROP_OWN_ATTEMPTS, [row.id, row.id + row.deliveries]);
  if (row.replays !== null) tx.write(DROP_REPLAYS_ATTEMPTS, [row.id]);
  marks.unmark(tx, row.id);
  if (isWhole) await dropEvent(tx, row, reached);
  else if (row.bytes !== null) await dropBody(tx, row.id);
  // It was the newest of its video, or the last to say its context, when it was looked at. One that was erased may have
  // attempts under way.
  const former = before?.bytes === null ? await tx.get(BY_ID, [before.id]) : undefined;
  if (former === undefined || endOf(former) >= expiry.bodies || !(await judge(tx, former)).isWhole) return;
  await dropEvent(tx, former, reached);
  pruned.autosaves.rows++;
}

/**
 * SQLite gives the room of a row to others when the row is deleted, and not when it gets smaller: the row is written anew
 * without its body.
 */
async function dropBody(tx: Tx, id: number): Promise<void> {
  tx.write(DROP_BODY, [id]);
  const row = (await tx.get(WHOLE, [id]))!;
  tx.write(DROP_EVENT, [id]);
  const columns = Object.keys(row);
  if (writeAgain.columns.join() !== columns.join()) writeAgain = { columns, write: insert("events", columns) };
  writeAgain.write(tx, row);
}

/** Writes all columns of an event, which only the schema knows. */
let writeAgain = { columns: [] as string[], write: insert<string>("events", []) };

async function dropEvent(tx: Tx, row: Pick<Near, "id" | "deliveries">, reached: Reached): Promise<void> {
  const replays = (await tx.all(REPLAYS, [row.id])).map(({ id }) => id);
  for (const id of replays) tx.write(DROP_DELIVERY, [id]);
  if (row.deliveries > 0) tx.write(DROP_OWN, [row.id, row.id + row.deliveries]);
  tx.write(DROP_ANNOTATION, [row.id]);
  tx.write(DROP_EVENT, [row.id]);
  tx.count("events", -1);
  noteGone(reached, row.id, row.id + row.deliveries, ...replays);
}
