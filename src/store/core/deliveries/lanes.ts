import type { JobState } from "../../../model/job.ts";
import { dueAfter, HINT_LIMIT, nextWait, type Progress } from "../../../rules/schedule.ts";
import * as meta from "../rows/meta.ts";
import { insert, sql, type Tx, update } from "../tx.ts";

/**
 * A delivery row, as SQLite gives it. Two columns are no longer used: `aside_at` and `failing_since`. "canceling": it runs,
 * and is canceled when its attempt ends, unless that is answered with success. Of one that was delivered `type` is null, as are
 * the times of its schedule.
 */
export type DeliveryRow = {
  id: number;
  endpoint: string;
  video: number;
  event: number;
  type: string | null;
  ordered: number;
  state: JobState | "canceling";
  due: number | null;
  /** The due time that it gets when its turn comes; null: at once. */
  turn_at: number | null;
  gate_until: number | null;
  /** 1: it holds its lane no longer. */
  aside: number;
  replay: number;
  attempts: number;
  claims: number;
  spent: number;
  waited: number;
  wait: number;
  scheduled_at: number | null;
  hint: number;
  tried_at: number | null;
  failed_by: "event" | "shared" | "always" | null;
  last_error: string | null;
  settled_at: number | null;
  superseded_by: number | null;
  opened_at: number | null;
  opened_by: Opener | null;
  /** The last task there was when it last ended or was retried: a task that is not newer skips it. */
  generation: number;
  /** Of a replay under a new message id: the task that it is of. */
  task: number | null;
};

/** Why a gate opened: media are settled, the thumbnail's or the endpoint's longest wait was over, the video was deleted. */
export type Opener = "settled" | "thumbnail" | "maxWait" | "delete";

/** Stands for the video of a notice that is about none. */
export const NO_VIDEO = 0;

export type Lane = Pick<DeliveryRow, "id" | "event" | "video" | "endpoint" | "ordered">;

/** What is asked of the head of a lane. */
type Head = Pick<DeliveryRow, "id" | "event" | "state" | "due" | "turn_at">;

// The rules of a lane (one endpoint and one video; CONTRACT, "Order"): its deliveries go one after
// the other, in the order of their events, then of their making. Only the head has a due time; the next one gets its due time
// when its turn comes. One that was retried or replayed stands before later ones that have a due time already: theirs is
// taken from them when it comes.

/** In a statement: the number of the last task; 0: there was none. */
export const LAST_TASK = "(SELECT coalesce(max(id), 0) FROM tasks)";

/** What a new delivery may take over from those that it supersedes (CONTRACT, "Coalescing"). */
const TAKEN = ["turn_at", "waited", "wait", "scheduled_at", "hint", "failed_by", "tried_at", "aside"] as const;
export type Taken = Pick<DeliveryRow, (typeof TAKEN)[number]>;
export const NOTHING: Taken = {
  turn_at: null,
  waited: 0,
  wait: 0,
  scheduled_at: null,
  hint: 0,
  failed_by: null,
  tried_at: null,
  aside: 0,
};

const insertDelivery = insert("deliveries", [
  ...(["id", "endpoint", "video", "event", "type", "ordered", "state", "due", "gate_until", "replay", "task"] as const),
  ...TAKEN,
]);
const takeOver = update("deliveries", ["due", ...TAKEN]);
const HEAD = sql<[number, string], Head>(
  `SELECT id, event, state, due, turn_at FROM deliveries
   WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND aside = 0 ORDER BY event, id LIMIT 1`,
  ["int8", "text"],
);
const BUSY = sql<[number, string], { id: number }>(
  `SELECT id FROM deliveries WHERE video = ? AND endpoint = ? AND state IN ('running', 'canceling') AND ordered = 1
     AND aside = 0 LIMIT 1`,
  ["int8", "text"],
);
const SET_DUE = sql<[string, number | null, number]>("UPDATE deliveries SET state = ?, due = ? WHERE id = ?");
const TAKE_DUE = sql<[number]>("UPDATE deliveries SET turn_at = due, due = NULL WHERE id = ?");
const OPEN_GATE = sql<[number | null, number, Opener, number]>(
  "UPDATE deliveries SET state = 'pending', due = ?, gate_until = NULL, opened_at = ?, opened_by = ? WHERE id = ?",
);
const NOTE_OPENED = sql<[number, Opener, number]>("UPDATE deliveries SET opened_at = ?, opened_by = ? WHERE id = ?");
const SETTLE = sql<[string, number, string | null, number, number | null, number]>(
  `UPDATE deliveries SET state = ?, settled_at = ?, due = NULL, last_error = ?, attempts = attempts + ?, superseded_by = ?,
     generation = ${LAST_TASK} WHERE id = ?`,
);
const reschedule = update("deliveries", [
  ...(["state", "attempts", "due", "turn_at", "aside", "last_error", "failed_by", "hint"] as const),
  ...(["spent", "waited", "wait", "scheduled_at"] as const),
]);
const RESTART = sql<[string, number | null, number]>(
  `UPDATE deliveries SET state = ?, due = ?, attempts = 0, aside = 0, settled_at = NULL, spent = 0, waited = 0, wait = 0,
     scheduled_at = NULL, turn_at = NULL, hint = 0, failed_by = NULL, generation = ${LAST_TASK} WHERE id = ?`,
);
const CANCEL_LATER = sql<[string, number]>("UPDATE deliveries SET state = 'canceling', last_error = ? WHERE id = ?");
// All that stand before a lane's head are aside: only those of them are looked at that have no due time.
const ASIDE_IS_NEXT = sql<[number, number, string, number, number, number]>(
  `UPDATE deliveries SET due = coalesce(turn_at, ?) WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1
     AND (event < ? OR event = ? AND id < ?) AND state = 'pending' AND due IS NULL AND aside = 1`,
);

/**
 * The row of a lane of which one has stepped aside, and none was delivered since: the next of it that fails steps aside at
 * once.
 */
export const hasteOf = ({ video, endpoint }: Lane) => `hasty/${video}/${endpoint}`;
/** The same of a delivery's row `d`, in a statement. */
export const HASTE_OF_D = "'hasty/' || d.video || '/' || d.endpoint";

const isBefore = (a: Pick<Lane, "event" | "id">, b: Pick<Lane, "event" | "id">) =>
  a.event < b.event || (a.event === b.event && a.id < b.id);

/** What stands before a delivery: none of which it overtakes. One that is aside holds up no other. */
export async function ahead(tx: Tx, row: Lane): Promise<Head | null> {
  if (row.ordered === 0) return null;
  const first = await tx.get(HEAD, [row.video, row.endpoint]);
  return first !== undefined && isBefore(first, row) ? first : null;
}

/** Whether nothing stands before it. */
export async function leads(tx: Tx, row: Lane): Promise<boolean> {
  return (await ahead(tx, row)) === null;
}

/** The one of the lane that is under way, which is not interrupted. */
export async function underWay(tx: Tx, { video, endpoint, ordered }: Lane): Promise<{ id: number } | null> {
  return ordered === 0 ? null : ((await tx.get(BUSY, [video, endpoint])) ?? null);
}

const isBusy = async (tx: Tx, lane: Lane) => (await underWay(tx, lane)) !== null;

/** Whether a new one may go at once: nothing stands before it, and none of its lane is under way. */
export async function isFree(tx: Tx, lane: Lane): Promise<boolean> {
  return (await leads(tx, lane)) && !(await isBusy(tx, lane));
}

/** After one of a lane has ended, failed or lost its place: the turn of the next one comes. */
export async function moveOn(tx: Tx, lane: Lane, now: number): Promise<void> {
  if (lane.ordered === 0) return;
  const { video, endpoint } = lane;
  const first = await tx.get(HEAD, [video, endpoint]);
  if (first?.state === "pending" && first.due === null && !(await isBusy(tx, lane)))
    tx.write(SET_DUE, ["pending", first.turn_at ?? now, first.id]);
  const { event, id } = first ?? { event: Number.MAX_SAFE_INTEGER, id: 0 };
  tx.write(ASIDE_IS_NEXT, [now, video, endpoint, event, event, id]);
}

/** Ends a delivery of which no attempt is known to be under way: what an unfinished one came to counts for nothing. */
export async function drop(tx: Tx, row: DeliveryRow, why: string | null, now: number): Promise<void> {
  await settle(tx, { ...row, state: "pending" }, "canceled", row.state === "canceling" ? row.last_error : why, now);
}

/** Ends one that will not arrive, and lets its lane go on. `by`: the delivery that takes its place, of one that is superseded. */
export async function settle(
  tx: Tx,
  row: DeliveryRow,
  state: "dead" | "canceled" | "superseded",
  error: string | null,
  now: number,
  by: number | null = null,
): Promise<void> {
  tx.write(SETTLE, [state, now, error, isUnderWay(row) ? 1 : 0, by, row.id]);
  if (state === "dead") tx.tally("deliveries", row.endpoint, { isOk: false });
  await moveOn(tx, row, now);
}

/** `gate` is when the gate opens by itself; null: it is open. `goes`: then nothing stands before the delivery. */
export function add(
  tx: Tx,
  delivery: Lane & { replay: 0 | 1 | 2; type: string | null; task?: number | null },
  {
    gateUntil,
    gate,
    goes,
    taken = NOTHING,
  }: { gateUntil: number | null; gate: number | null; goes: boolean; taken?: Taken | undefined },
  now: number,
): void {
  const { id, endpoint, video, event, type, ordered, replay, task = null } = delivery;
  const state = gate === null ? "pending" : "waiting";
  const due = gate ?? (goes ? (taken.turn_at ?? now) : null);
  const gate_until = gate === null ? null : gateUntil;
  insertDelivery(tx, { id, endpoint, video, event, type, ordered, state, due, gate_until, replay, task, ...taken });
}

/** Its gate is open from its beginning, because one that it supersedes had been opened. */
export const noteOpened = (tx: Tx, id: number, by: Opener, now: number) => tx.write(NOTE_OPENED, [now, by, id]);

/** Gives a delivery what it takes over from one that it supersedes. */
export function take(tx: Tx, row: DeliveryRow, taken: Taken): void {
  takeOver(tx, row.id, {
    ...taken,
    due: row.state === "pending" && row.due !== null ? (taken.turn_at ?? row.due) : row.due,
  });
}

/** Takes its due time from one that something stands before: its turn comes again. */
export async function fallBack(tx: Tx, row: DeliveryRow, now: number): Promise<void> {
  tx.write(TAKE_DUE, [row.id]);
  await moveOn(tx, row, now);
}

/** Shuts the gate until `gate`, or opens it for good, for a reason. True when the delivery may go now. */
export async function setGate(tx: Tx, row: DeliveryRow, gate: number | Opener, now: number): Promise<boolean> {
  if (typeof gate === "number") {
    tx.write(SET_DUE, ["waiting", gate, row.id]);
    return false;
  }
  const goes = await isFree(tx, row);
  tx.write(OPEN_GATE, [goes ? (row.turn_at ?? now) : null, now, gate, row.id]);
  return goes;
}

/** Ends a delivery that is wanted no longer: one that runs, when its attempt or its lease ends. */
export async function cancel(tx: Tx, row: DeliveryRow, why: string, now: number): Promise<void> {
  const isLeased = isUnderWay(row) && row.due! > now;
  if (!isLeased) await drop(tx, row, why, now);
  else if (row.state === "running") tx.write(CANCEL_LATER, [why, row.id]);
}

/** Ends the lease of one whose attempt is under way no longer: it waits again, or is canceled where that was asked for. */
export async function free(tx: Tx, row: DeliveryRow, now: number): Promise<void> {
  if (row.state === "canceling") return drop(tx, row, row.last_error, now);
  tx.write(SET_DUE, ["pending", now, row.id]);
  await moveOn(tx, row, now);
}

/** What an attempt failed with, and by which rules it is made again. */
export type Failed = {
  error: string;
  by: "event" | "shared" | "always";
  /** Milliseconds that the endpoint asked for; 0: it did not. */
  retryAfter: number;
  /** The attempt spends nothing of the schedule. */
  isFree: boolean;
  retry: readonly number[];
  laneHold: number;
  /** 0 to 1. */
  spread: number;
};

/**
 * After a failed attempt: when the next one is due; null: the schedule is spent, and nothing was written. Once one of a lane
 * has been through as many waits as `laneHold` allows it steps aside.
 */
export async function retry(tx: Tx, row: DeliveryRow, failed: Failed, now: number): Promise<number | null> {
  const { error, by, retryAfter, isFree, retry, laneHold, spread } = failed;
  const before: Progress = { spent: row.spent, waited: row.waited, wait: row.wait, scheduledAt: row.scheduled_at };
  const progress = isFree ? before : nextWait(before, { retry, now, spread });
  if (progress === null) return null;
  const { spent, waited, wait, scheduledAt } = progress;
  const holds = row.ordered === 1 && row.aside === 0 && !isFree;
  const stepsAside = holds && (waited >= laneHold || (await meta.isMarked(tx, hasteOf(row))));
  if (stepsAside) meta.mark(tx, hasteOf(row));
  const due = dueAfter(scheduledAt ?? now, { now, retryAfter });
  reschedule(tx, row.id, {
    ...{ state: "pending", attempts: row.attempts + 1, due, turn_at: null, aside: stepsAside ? 1 : row.aside },
    ...{ last_error: error },
    ...{ failed_by: by, hint: retryAfter > 0 ? now + Math.min(retryAfter, HINT_LIMIT) : 0 },
    ...{ spent, waited, wait, scheduled_at: scheduledAt },
  });
  await moveOn(tx, row, now);
  return due;
}

/** From attempt 0, at its place in its lane. `gate`: when its gate opens; null: it is open. */
export async function restart(tx: Tx, row: DeliveryRow, gate: number | null, now: number): Promise<void> {
  const goes = gate === null && (await isFree(tx, row));
  tx.write(RESTART, [gate === null ? "pending" : "waiting", gate ?? (goes ? now : null), row.id]);
}

export function isUnderWay({ state }: Pick<DeliveryRow, "state">): boolean {
  return state === "running" || state === "canceling";
}
