import type { TaskJob } from "../../../model/task.ts";
import type { ElsewhereCopy, MovedCopy, MoveOutcome, MoveVerbs } from "../../tasks.ts";
import type { Work } from "../../verbs.ts";
import { ofRow } from "../rows/named.ts";
import { PER_PIECE } from "../rows/pieces.ts";
import * as tasks from "../tasks/rows.ts";
import { apart, insert, job, sql, type Tx } from "../tx.ts";
import * as former from "./former.ts";
import type { MediumRow } from "./rows.ts";
import * as media from "./rows.ts";
import * as ends from "./settle.ts";
import * as transfers from "./transfers.ts";

/** How many media one part looks at. */
const PER_PART = 2_000;

type Placed = { medium: number; target: number; key: string; bytes: number | null };
type Fit = "fits" | "busy" | "changed";

// Moves copies into another target: one that was put there is its medium's own when its row turns, and a row turns only while it
// has the copy that was read.

const SOME = sql<[number, number], Pick<MediumRow, "id" | "state" | "target" | "key" | "bytes">>(
  "SELECT id, state, target, key, bytes FROM media WHERE id > ? ORDER BY id LIMIT ?",
);
const PLACED = sql<[number], Placed>("SELECT medium, target, key, bytes FROM moves WHERE medium = ? AND error IS NULL");
const write = insert(
  "moves",
  ["medium", "task", "target", "key", "bytes", "error", "claim"],
  `ON CONFLICT (medium) DO UPDATE SET task = excluded.task, target = excluded.target, key = excluded.key,
     bytes = excluded.bytes, error = excluded.error, claim = excluded.claim`,
);
const LET_OTHERS = sql<[number]>("UPDATE moves SET claim = NULL WHERE medium = ?");
const DROP = sql<[number]>("DELETE FROM moves WHERE medium = ?");
const LEFT_OVER = sql<[], Placed>(
  `SELECT medium, target, key, bytes FROM moves
   WHERE error IS NULL AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = task AND ended_at IS NULL)`,
);
const FAILED = sql<[number, number], { medium: number; error: string }>(
  "SELECT medium, error FROM moves WHERE task = ? AND error IS NOT NULL ORDER BY medium LIMIT ?",
);
const FORGET_FAILED = sql<[number, number]>(
  `DELETE FROM moves WHERE medium IN (
     SELECT medium FROM moves WHERE task < ? AND error IS NOT NULL ORDER BY task, medium LIMIT ?
   )`,
);
const TURN = sql<[number, string, number]>("UPDATE media SET target = ?, key = ? WHERE id = ?");

type MoveWorks = {
  [Verb in keyof MoveVerbs]: Work<Parameters<MoveVerbs[Verb]>, Awaited<ReturnType<MoveVerbs[Verb]>>>;
};

export const moveWorks: MoveWorks = {
  copiesElsewhere: (target, from) => job((tx) => elsewhere(tx, tx.ids.read("tgt", target), from)),
  placeMove: (task, copy, now) => ofRow("media", "med", copy.mediumId, (tx) => place(tx, task, copy, now), "tasks"),
  settleMove: (task, copy, outcome, now) =>
    ofRow("media", "med", copy.mediumId, (tx) => settle(tx, task, copy, outcome, now), "tasks"),
  failedMoves: (taskId, limit) =>
    job(async (tx) => {
      const rows = await tx.all(FAILED, [tx.ids.read("tsk", taskId), limit]);
      return rows.map(({ medium, error }) => ({ mediumId: tx.ids.show("med", medium), error }));
    }),
  forgetFailedMoves: (task) => apart("tasks", (tx) => forgetFailed(tx, task)),
  dropFormerCopies: (task, target, at) => job((tx) => dropFormer(tx, task, tx.ids.read("tgt", target), at)),
  noteWait: (task, words) => job((tx) => tasks.say(tx, task, words)),
};

async function elsewhere(
  tx: Tx,
  target: number,
  from: string | null,
): Promise<Awaited<ReturnType<MoveVerbs["copiesElsewhere"]>>> {
  const above = from === null ? 0 : Number(from);
  const rows = await tx.all(SOME, [above, PER_PART]);
  const upTo = rows.at(-1)?.id ?? above;
  const show = (medium: number, at: number, bytes: number | null): ElsewhereCopy => ({
    mediumId: tx.ids.show("med", medium),
    target: tx.ids.show("tgt", at),
    bytes,
  });
  const copies = rows.flatMap((row) =>
    hasCopy(row) && row.target !== target ? [show(row.id, row.target, row.bytes)] : [],
  );
  const left = (await former.between(tx, above, upTo)).map((one) => show(one.medium, one.target, one.bytes));
  return { copies, left, next: rows.length < PER_PART ? null : String(upTo) };
}

/** Where it is moved to is known whatever becomes of it: what was put in vain is deleted. */
async function place(
  tx: Tx,
  task: TaskJob,
  { mediumId, from, to }: Parameters<MoveVerbs["placeMove"]>[1],
  now: number,
): Promise<Awaited<ReturnType<MoveVerbs["placeMove"]>>> {
  const row = await media.byId(tx, tx.ids.read("med", mediumId));
  const held = await tasks.held(tx, task);
  if (held === null || row === undefined) return { is: "lost", again: false };
  const is = await fitOf(tx, row, from, now);
  if (is !== "fits") return { is, again: false };
  const { key, passed = [] } = to;
  const target = tx.ids.read("tgt", to.target);
  const known = await tx.get(PLACED, [row.id]);
  const isSame = known?.target === target && known.key === key;
  const isPassed = known?.target === target && passed.includes(known.key);
  if (known !== undefined && !isSame && !isPassed) transfers.add(tx, "delete", row.id, known, now);
  write(tx, { medium: row.id, task: held.id, target, key, bytes: row.bytes, error: null, claim: held.claims });
  return { is: "placed", again: isSame };
}

async function settle(
  tx: Tx,
  task: TaskJob,
  { mediumId, from }: MovedCopy,
  outcome: MoveOutcome,
  now: number,
): Promise<Awaited<ReturnType<MoveVerbs["settleMove"]>>> {
  const held = await tasks.held(tx, task);
  const row = await media.byId(tx, tx.ids.read("med", mediumId));
  if (held === null || row === undefined) return { is: "lost" };
  const busy = () => {
    tx.write(LET_OTHERS, [row.id]);
    return { is: "busy" } as const;
  };
  if (outcome.is === "later") return busy();
  const fit = await fitOf(tx, row, from, now);
  if (fit === "busy") return busy();
  if (fit === "changed") {
    await letGo(tx, row.id, now);
    return { is: fit };
  }
  if (outcome.is === "failed") {
    await letGo(tx, row.id, now);
    const { error } = outcome;
    write(tx, { medium: row.id, task: held.id, target: null, key: null, bytes: null, error, claim: null });
    tasks.count(tx, held.id, { done: 0, failed: 1, error: `${mediumId}: ${error}` });
    return { is: "failed" };
  }
  tx.write(DROP, [row.id]);
  await turn(tx, row, { target: tx.ids.read("tgt", outcome.to.target), key: outcome.to.key }, outcome.deleteAt);
  tasks.count(tx, held.id, { done: 1, failed: 0, error: null });
  return { is: "moved" };
}

async function turn(tx: Tx, row: MediumRow, to: transfers.Place, deleteAt: number | null): Promise<void> {
  tx.write(TURN, [to.target, to.key, row.id]);
  const was = { target: row.target!, key: row.key!, bytes: row.bytes };
  if (was.key !== to.key) ends.keepKey(tx, { key: was.key, medium: row.id });
  former.drop(tx, row.id, to);
  if (deleteAt === null) former.add(tx, row.id, was);
  else await ends.dropCopy(tx, row, deleteAt);
}

/**
 * Whether a row has the copy that was read, and may turn now. What is being downloaded may find that copy unchanged and go on
 * with it where it was read; what is in the spool gets another place anyway.
 */
async function fitOf(tx: Tx, row: MediumRow, from: MovedCopy["from"], now: number): Promise<Fit> {
  const isSame = hasCopy(row) && row.target === tx.ids.read("tgt", from.target) && row.key === from.key;
  if (!isSame || row.sha256 !== from.sha256) return "changed";
  const isUnderWay =
    row.state === "running" || row.spooled !== null || (await transfers.isElsewhere(tx, row.video, now));
  return isUnderWay || (await media.isBlocked(tx, row)) ? "busy" : "fits";
}

/** A superseded row keeps its key, but the copy under it belongs to another row. */
function hasCopy<Row extends Pick<MediumRow, "state" | "target" | "key">>(
  row: Row,
): row is Row & { target: number; key: string } {
  return row.target !== null && row.key !== null && row.state !== "superseded" && row.state !== "deleted";
}

/** What was put in vain goes. */
async function letGo(tx: Tx, medium: number, now: number): Promise<void> {
  const placed = await tx.get(PLACED, [medium]);
  if (placed === undefined) return;
  tx.write(DROP, [medium]);
  transfers.add(tx, "delete", medium, placed, now);
}

/** What tasks that have ended were about to put, and may have, goes, unless a medium has it. */
export async function clear(tx: Tx, now: number): Promise<void> {
  for (const placed of await tx.all(LEFT_OVER, [])) {
    tx.write(DROP, [placed.medium]);
    transfers.add(tx, "delete", placed.medium, placed, now);
  }
}

/** What tasks before it could not do is this one's to say. */
async function forgetFailed(tx: Tx, task: TaskJob): Promise<number> {
  const held = await tasks.held(tx, task);
  return held === null ? 0 : tx.changed(FORGET_FAILED, [held.id, PER_PIECE]);
}

async function dropFormer(tx: Tx, task: TaskJob, target: number, at: number): Promise<number> {
  if ((await tasks.held(tx, task)) === null) return 0;
  const dropped = await former.takeIn(tx, target);
  for (const { medium, ...copy } of dropped) transfers.add(tx, "delete", medium, copy, at);
  return dropped.length;
}
