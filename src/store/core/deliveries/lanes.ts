import type { JobState } from "../../../model/job.ts";
import * as meta from "../rows/meta.ts";
import { insert, sql, type Tx } from "../tx.ts";

/**
 * A delivery row, as SQLite gives it. Two columns are no longer used: `aside_at` and `failing_since`. "canceling": it runs,
 * and is canceled when its attempt ends, unless that is answered with success.
 */
export type DeliveryRow = {
  id: number;
  endpoint: string;
  video: number;
  event: number;
  ordered: number;
  state: JobState | "canceling";
  due: number | null;
  gate_until: number | null;
  /** 1: it holds its lane no longer. */
  aside: number;
  replay: number;
  attempts: number;
  claims: number;
  last_error: string | null;
  settled_at: number | null;
};

type Lane = Pick<DeliveryRow, "id" | "video" | "endpoint" | "ordered">;

// The rules of a lane (one endpoint and one video; CONTRACT, "Order"): its deliveries go one after
// the other by id, which is commit order. Only the head has a due time; the next one gets its due time when its turn comes.
// A delivery that was retried stands before later ones that have a due time already: theirs is taken from them when it comes.

const insertDelivery = insert("deliveries", [
  ...(["id", "endpoint", "video", "event", "ordered", "state", "due", "gate_until", "replay"] as const),
]);
const HEAD = sql<[number, string], DeliveryRow>(
  `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND aside = 0
   ORDER BY id LIMIT 1`,
);
const BUSY = sql<[number, string], unknown>(
  `SELECT 1 FROM deliveries WHERE video = ? AND endpoint = ? AND state IN ('running', 'canceling') AND ordered = 1
     AND aside = 0 LIMIT 1`,
);
const SET_DUE = sql<[string, number | null, number]>("UPDATE deliveries SET state = ?, due = ? WHERE id = ?");
const OPEN_GATE = sql<[number | null, number]>(
  "UPDATE deliveries SET state = 'pending', due = ?, gate_until = NULL WHERE id = ?",
);
const SETTLE = sql<[string, number, string | null, number, number]>(
  `UPDATE deliveries SET state = ?, settled_at = ?, due = NULL, last_error = ?, attempts = attempts + ? WHERE id = ?`,
);
const RESCHEDULE = sql<[number, number, string, number]>(
  `UPDATE deliveries SET state = 'pending', attempts = attempts + 1, due = ?, aside = ?, last_error = ? WHERE id = ?`,
);
const RESTART = sql<[string, number | null, number]>(
  `UPDATE deliveries SET state = ?, due = ?, attempts = 0, aside = 0, settled_at = NULL WHERE id = ?`,
);
const CANCEL_LATER = sql<[string, number]>("UPDATE deliveries SET state = 'canceling', last_error = ? WHERE id = ?");
// All that stand before a lane's head are aside: only those of them are looked at that have no due time.
const ASIDE_IS_NEXT = sql<[number, number, string, number]>(
  `UPDATE deliveries SET due = ? WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND id < ?
     AND state = 'pending' AND due IS NULL AND aside = 1`,
);

/**
 * The row of a lane of which one has stepped aside, and none was delivered since: the next of it that fails steps aside at
 * once.
 */
const hasteOf = ({ video, endpoint }: Lane) => `hasty/${video}/${endpoint}`;

/** Whether nothing stands before it. A delivery that is aside holds up no other one, and overtakes none. */
export async function leads(tx: Tx, row: Lane): Promise<boolean> {
  if (row.ordered === 0) return true;
  const first = await tx.get(HEAD, [row.video, row.endpoint]);
  return first === undefined || first.id >= row.id;
}

/** Whether one of the lane is under way, which is not interrupted. */
async function isBusy(tx: Tx, { video, endpoint, ordered }: Lane): Promise<boolean> {
  return ordered === 1 && (await tx.get(BUSY, [video, endpoint])) !== undefined;
}

/** After one of a lane has ended, failed or lost its place: the turn of the next one comes. */
async function moveOn(tx: Tx, lane: Lane, now: number): Promise<void> {
  if (lane.ordered === 0) return;
  const { video, endpoint } = lane;
  const first = await tx.get(HEAD, [video, endpoint]);
  if (first?.state === "pending" && first.due === null && !(await isBusy(tx, first)))
    tx.write(SET_DUE, ["pending", now, first.id]);
  tx.write(ASIDE_IS_NEXT, [now, video, endpoint, first?.id ?? Number.MAX_SAFE_INTEGER]);
}

/** Ends a delivery of which no attempt is known to be under way: what an unfinished one came to counts for nothing. */
export async function drop(tx: Tx, row: DeliveryRow, why: string | null, now: number): Promise<void> {
  await settle(tx, { ...row, state: "pending" }, "canceled", row.state === "canceling" ? row.last_error : why, now);
}

/** Ends a delivery and lets its lane go on. */
export async function settle(
  tx: Tx,
  row: DeliveryRow,
  state: "delivered" | "dead" | "canceled",
  error: string | null,
  now: number,
): Promise<void> {
  tx.write(SETTLE, [state, now, error, isUnderWay(row) ? 1 : 0, row.id]);
  if (state === "delivered" && row.ordered === 1) meta.remove(tx, hasteOf(row));
  await moveOn(tx, row, now);
}

/** `gate` is when the gate opens by itself; null: it is open. `goes`: then nothing stands before the delivery. */
export function add(
  tx: Tx,
  delivery: Lane & { event: number; replay: 0 | 1 | 2 },
  { gateUntil, gate, goes }: { gateUntil: number | null; gate: number | null; goes: boolean },
  now: number,
): void {
  const { id, endpoint, video, event, ordered, replay } = delivery;
  const state = gate === null ? "pending" : "waiting";
  const due = gate ?? (goes ? now : null);
  const gate_until = gate === null ? null : gateUntil;
  insertDelivery(tx, { id, endpoint, video, event, ordered, state, due, gate_until, replay });
}

/** Takes its due time from one that something stands before: its turn comes again. */
export async function fallBack(tx: Tx, row: DeliveryRow, now: number): Promise<void> {
  tx.write(SET_DUE, ["pending", null, row.id]);
  await moveOn(tx, row, now);
}

/** Shuts the gate until `gate`, or opens it for good (null). True when the delivery may go now. */
export async function setGate(tx: Tx, row: DeliveryRow, gate: number | null, now: number): Promise<boolean> {
  if (gate !== null) {
    tx.write(SET_DUE, ["waiting", gate, row.id]);
    return false;
  }
  const goes = (await leads(tx, row)) && !(await isBusy(tx, row));
  tx.write(OPEN_GATE, [goes ? now : null, row.id]);
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

/** After a failed attempt. `heldLong`: it has been through as many waits of its schedule as `laneHold` allows. */
export async function retry(
  tx: Tx,
  row: DeliveryRow,
  at: number,
  heldLong: boolean,
  error: string,
  now: number,
): Promise<void> {
  const holds = row.ordered === 1 && row.aside === 0;
  const stepsAside = holds && (heldLong || (await meta.isMarked(tx, hasteOf(row))));
  if (stepsAside) meta.mark(tx, hasteOf(row));
  tx.write(RESCHEDULE, [at, stepsAside ? 1 : row.aside, error, row.id]);
  await moveOn(tx, row, now);
}

/** From attempt 0, at its place in its lane. `gate`: when its gate opens; null: it is open. */
export async function restart(tx: Tx, row: DeliveryRow, gate: number | null, now: number): Promise<void> {
  const goes = gate === null && (await leads(tx, row)) && !(await isBusy(tx, row));
  tx.write(RESTART, [gate === null ? "pending" : "waiting", gate ?? (goes ? now : null), row.id]);
}

export function isUnderWay({ state }: Pick<DeliveryRow, "state">): boolean {
  return state === "running" || state === "canceling";
}
