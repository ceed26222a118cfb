import { RelayError } from "../../../errors.ts";
import type {
  RunOptions,
  RunOutcome,
  RunVerb,
  Task,
  TaskFilter,
  TaskJob,
  TaskState,
  TaskVerb,
  TaskWish,
} from "../../../model/task.ts";
import { suggest } from "../../../rules/nearest.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { TaskVerbs } from "../../tasks.ts";
import { choiceOf } from "../deliveries/endpoints.ts";
import type { Ids } from "../rows/ids.ts";
import { isOneWordOf, namedStates } from "../rows/merge.ts";
import { page } from "../rows/paging.ts";
import { insert, sql, type Tx } from "../tx.ts";
import type { Scope } from "./scope.ts";

export type TaskRow = {
  id: number;
  verb: TaskVerb | RunVerb;
  asked_by: string;
  filter: string;
  options: string;
  state: TaskState;
  total: number | null;
  done: number;
  failed: number;
  position: string | null;
  created_at: number;
  ended_at: number | null;
  error: string | null;
  due: number;
  claims: number;
};

type Options = Pick<TaskWish, "onlyDead" | "newId"> & { rate: number | null };

// Tasks as rows: made, claimed, canceled, shown.

const add = insert("tasks", [
  ...(["id", "verb", "asked_by", "filter", "options", "state", "total", "created_at", "due"] as const),
]);
const BY_ID = sql<[number], TaskRow>("SELECT * FROM tasks WHERE id = ?");
const OPEN = sql<[string], Pick<TaskRow, "id" | "state" | "due">>(
  "SELECT id, state, due FROM tasks WHERE verb = ? AND ended_at IS NULL",
);
const GIVE_UP = sql<[number, string, number]>(
  `UPDATE tasks SET state = 'canceled', ended_at = ?, error = 'it was not confirmed' WHERE verb = ? AND ended_at IS NULL
     AND state = 'counting' AND due <= ?`,
);
const CONFIRM = sql<[number, number]>(
  "UPDATE tasks SET state = 'queued', total = ?, due = 0 WHERE id = ? AND state = 'counting'",
);
const WAITING = sql<[], Pick<TaskRow, "id" | "due">>(
  "SELECT id, due FROM tasks WHERE ended_at IS NULL AND state <> 'counting'",
);
const LEASE = sql<[number, number]>("UPDATE tasks SET state = 'running', due = ?, claims = claims + 1 WHERE id = ?");
const RENEW = sql<[number, number, number]>(
  "UPDATE tasks SET due = ? WHERE id = ? AND ended_at IS NULL AND state = 'running' AND claims = ?",
);
const RENEW_COUNT = sql<[number, number]>("UPDATE tasks SET due = ? WHERE id = ? AND state = 'counting'");
const MOVE = sql<[string, number, number, string | null, number, number]>(
  "UPDATE tasks SET position = ?, done = done + ?, failed = failed + ?, error = coalesce(?, error), due = ? WHERE id = ?",
);
const END = sql<[string, number, string | null, number]>(
  "UPDATE tasks SET state = ?, ended_at = ?, error = coalesce(?, error) WHERE id = ? AND ended_at IS NULL",
);
const COUNT = sql<[number, number, string | null, number]>(
  "UPDATE tasks SET done = done + ?, failed = failed + ?, error = coalesce(?, error) WHERE id = ?",
);
const SAY = sql<[string | null, number]>("UPDATE tasks SET error = ? WHERE id = ?");
const SET_TOTAL = sql<[number, number]>("UPDATE tasks SET total = ? WHERE id = ?");
const BRING_FORWARD = sql<[number]>("UPDATE tasks SET due = due - ? WHERE ended_at IS NULL");
const NEVER_DUE = sql<[number]>(`UPDATE tasks SET due = ? WHERE ended_at IS NULL AND due >= ${LATEST_TIME}`);

export async function rowOf(tx: Tx, id: string): Promise<TaskRow> {
  const row = await tx.get(BY_ID, [tx.ids.read("tsk", id)]);
  if (!row) throw new RelayError("not_found", `no task "${id}"`);
  return row;
}

export async function create(
  tx: Tx,
  { by, rate, leaseFor, ...wish }: Parameters<TaskVerbs["createTask"]>[0],
  now: number,
): Promise<{ id: string }> {
  const { verb, filter, onlyDead = false, newId = false } = wish;
  checkNames(tx, wish);
  await refuseSecond(tx, verb, now);
  const id = tx.ids.next();
  const options: Options = { onlyDead, newId, rate };
  add(tx, {
    ...{ id, verb, asked_by: by, filter: JSON.stringify(filter), options: JSON.stringify(options) },
    ...{ state: "counting", total: null, created_at: now, due: now + leaseFor },
  });
  return { id: tx.ids.show("tsk", id) };
}

async function refuseSecond(tx: Tx, verb: TaskVerb | RunVerb, now: number): Promise<void> {
  tx.write(GIVE_UP, [now, verb, now]);
  const open = await tx.get(OPEN, [verb]);
  if (open === undefined) return;
  const id = tx.ids.show("tsk", open.id);
  const left = Math.ceil((open.due - now) / 1000);
  const counted = open.state === "counting" ? `; it is counted, and given up in ${left} s where that was cut off` : "";
  throw new RelayError(
    "task_running",
    `${id} has not ended, and one task of a kind runs at a time: see "tasks show ${id}"${counted}`,
  );
}

/** One that is not done in pieces needs no count. */
export async function createRun(
  tx: Tx,
  { verb, options, by, total = null }: { verb: RunVerb; options: RunOptions; by: string; total?: number | null },
  now: number,
): Promise<{ id: string }> {
  await refuseSecond(tx, verb, now);
  const id = tx.ids.next();
  add(tx, {
    ...{ id, verb, asked_by: by, filter: JSON.stringify(options), options: JSON.stringify({ rate: null }) },
    ...{ state: "queued", total, created_at: now, due: 0 },
  });
  return { id: tx.ids.show("tsk", id) };
}

export async function endRun(tx: Tx, job: TaskJob, { total, ...outcome }: RunOutcome, now: number): Promise<void> {
  const row = await held(tx, job);
  if (row === null) return;
  tx.write(SET_TOTAL, [total, row.id]);
  move(tx, row.id, "", outcome, now);
  end(tx, row.id, "done", null, now);
}

/** What is named must be possible: a replay goes where the config says, and ids are of this database. */
export function checkNames(tx: Tx, { verb, filter: { endpoint, eventId, ids = [] } }: TaskWish): void {
  if (eventId !== undefined) tx.ids.read("evt", eventId);
  for (const id of ids) tx.ids.read("dlv", id);
  if (verb !== "replay" || endpoint === undefined || choiceOf(tx, endpoint) !== null) return;
  const known = tx.settings.endpoints.map(({ id }) => id);
  throw new RelayError("not_found", `no endpoint "${endpoint}" in the config${suggest(endpoint, known)}`);
}

export async function confirm(tx: Tx, id: string, total: number): Promise<void> {
  const row = await rowOf(tx, id);
  if (row.state !== "counting") throw new RelayError("conflict", `${id} is ${row.state}`);
  tx.write(CONFIRM, [total, row.id]);
}

/** The task that a claim would give, or when there may be one. */
export async function next(
  tx: Tx,
  { id, now }: { id?: string; now: number },
): Promise<{ row: number | null; nextDue: number | null }> {
  const wanted = id === undefined ? null : tx.ids.find("tsk", id);
  const waiting = (await tx.all(WAITING, [])).sort((a, b) => a.id - b.id);
  const rows = waiting.filter((row) => wanted === null || row.id === wanted);
  const nextDue = rows.length === 0 ? null : Math.min(...rows.map(({ due }) => due));
  return { row: rows.find(({ due }) => due <= now)?.id ?? null, nextDue };
}

export async function lease(tx: Tx, id: number, until: number): Promise<TaskJob> {
  tx.write(LEASE, [until, id]);
  const row = (await tx.get(BY_ID, [id]))!;
  const { rate } = JSON.parse(row.options) as Options;
  return { id: tx.ids.show("tsk", id), verb: row.verb, rate, claim: tx.ids.claim(row.claims) };
}

export async function renew(tx: Tx, task: { id: string; claim: string | null }, until: number): Promise<boolean> {
  const id = tx.ids.find("tsk", task.id);
  if (task.claim === null) return (await tx.changed(RENEW_COUNT, [until, id])) === 1;
  return fence(tx, { id: task.id, claim: task.claim }, until);
}

/** Whether the task is this claim's: no other claims it until the transaction ends. */
export const fence = async (tx: Tx, { id, claim }: Pick<TaskJob, "id" | "claim">, until: number): Promise<boolean> =>
  (await tx.changed(RENEW, [until, tx.ids.find("tsk", id), tx.ids.claimed(claim)])) === 1;

/** The task of a claim; null: it is lost. */
export async function held(tx: Tx, job: TaskJob): Promise<TaskRow | null> {
  const row = await tx.get(BY_ID, [tx.ids.find("tsk", job.id)]);
  const isOurs = row?.state === "running" && row.claims === tx.ids.claimed(job.claim);
  return isOurs ? row : null;
}

export type Counted = { done: number; failed: number; error: string | null };

export function move(tx: Tx, id: number, to: string, { done, failed, error }: Counted, until: number): void {
  tx.write(MOVE, [to, done, failed, error, until, id]);
}

/** Counts what a run has done on its way. */
export const count = (tx: Tx, id: number, { done, failed, error }: Counted) =>
  tx.write(COUNT, [done, failed, error, id]);

/** What a run waits for, in words; null: nothing. */
export async function say(tx: Tx, job: TaskJob, words: string | null): Promise<void> {
  const row = await held(tx, job);
  if (row !== null) tx.write(SAY, [words, row.id]);
}

export function end(
  tx: Tx,
  id: number,
  state: "done" | "canceled" | "failed",
  error: string | null,
  now: number,
): void {
  tx.write(END, [state, now, error, id]);
}

export async function cancel(tx: Tx, id: string, why: string, now: number): Promise<void> {
  const row = await rowOf(tx, id);
  if (row.ended_at !== null) throw new RelayError("conflict", `${id} is ${row.state} already`);
  end(tx, row.id, "canceled", why, now);
}

export function freeLeases(tx: Tx, now: number): void {
  const leased = `ended_at IS NULL AND state = 'running' AND due > ? AND ${tx.relay.isOwn}`;
  tx.write(sql<[number, number]>(`UPDATE tasks SET due = ? WHERE ${leased}`), [now, now]);
}

export const bringForward = (tx: Tx, by: number) => tx.write(BRING_FORWARD, [by]);
export const mendDue = (tx: Tx, now: number) => tx.write(NEVER_DUE, [now]);

export function scopeOf(row: TaskRow): Scope {
  const { onlyDead = false, newId = false } = JSON.parse(row.options) as Options;
  const filter = JSON.parse(row.filter) as TaskFilter;
  // A run is not asked for pieces.
  const verb = row.verb as TaskVerb;
  return { verb, filter, onlyDead, newId, upTo: row.id, at: row.created_at };
}

export const rateOf = ({ options }: TaskRow) => (JSON.parse(options) as Options).rate;

export const show = async (tx: Tx, id: string): Promise<Task> => toTask(tx.ids, await rowOf(tx, id));

export async function list(tx: Tx, wish: Parameters<TaskVerbs["tasks"]>[0]): Promise<Task[]> {
  const list = page<TaskRow>(tx, "t.* FROM tasks t", "t.id", "tsk", wish);
  const states = namedStates(wish);
  if (states !== undefined) {
    const { text, values } = isOneWordOf("t.state", states);
    list.where(text, ...values);
  }
  if (wish.verb !== undefined) list.where("t.verb = ?", wish.verb);
  return (await list.all()).map((row) => toTask(tx.ids, row));
}

function toTask(ids: Ids, row: TaskRow): Task {
  const { verb, state, total, done, failed, error } = row;
  const { onlyDead = false, newId = false, rate } = JSON.parse(row.options) as Options;
  return {
    ...{ id: ids.show("tsk", row.id), verb, by: row.asked_by, filter: JSON.parse(row.filter) as Task["filter"] },
    ...{ onlyDead, newId, rate, state, total, done, failed },
    skipped: state === "done" ? Math.max(0, (total ?? 0) - done - failed) : 0,
    ...{ createdAt: row.created_at, endedAt: row.ended_at, error },
    countingUntil: state === "counting" ? row.due : null,
  };
}
