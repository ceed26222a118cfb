import type { JobState } from "../../domain.ts";
import type { Sql } from "./sql.ts";

/** A delivery row, as SQLite gives it. Two columns are no longer used: `aside_at` and `failing_since`. */
export type DeliveryRow = {
  id: number;
  endpoint: string;
  video: number;
  event: number;
  ordered: number;
  state: JobState;
  due: number | null;
  gate_until: number | null;
  aside: 0 | typeof STEPPED_ASIDE | typeof ASIDE;
  replay: number;
  attempts: number;
  claims: number;
  last_error: string | null;
  settled_at: number | null;
};

/** It failed for longer than `laneHold`, and its lane has delivered none since: the next that fails follows it at once. */
const STEPPED_ASIDE = 1;

/** It holds its lane no longer: the lane has delivered one since it stepped aside, or it had settled and was retried. */
const ASIDE = 2;

type Lane = Pick<DeliveryRow, "id" | "video" | "endpoint" | "ordered">;

/**
 * The rules of a lane (one endpoint and one video; CONTRACT, "Order"), inside a transaction: its deliveries go one after
 * the other by id, which is commit order. Only the head has a due time; who follows gets one when its turn comes.
 */
export function createLanes(db: Sql) {
  const insert = db.prepare(
    `INSERT INTO deliveries (id, endpoint, video, event, ordered, state, due, gate_until, replay) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const head = db.prepare<[number, string], DeliveryRow>(
    `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND aside = 0
     ORDER BY id LIMIT 1`,
  );
  const setDue = db.prepare("UPDATE deliveries SET state = ?, due = ? WHERE id = ?");
  const settle = db.prepare(
    `UPDATE deliveries SET state = ?, settled_at = ?, due = NULL, last_error = ?, attempts = attempts + ? WHERE id = ?`,
  );
  const reschedule = db.prepare(
    `UPDATE deliveries SET state = 'pending', attempts = attempts + 1, due = ?, aside = ?, last_error = ? WHERE id = ?`,
  );
  const restart = db.prepare(
    `UPDATE deliveries SET state = 'pending', attempts = 0, settled_at = NULL, due = ?, aside = ? WHERE id = ?`,
  );
  // All that stand before a lane's head are aside: only those are looked at, however long the lane is.
  const steppedAside = db.prepare<[number, string, number]>(
    `SELECT 1 FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND id < ?
       AND aside = ${STEPPED_ASIDE} LIMIT 1`,
  );
  const hasDelivered = db.prepare(
    `UPDATE deliveries SET aside = ${ASIDE} WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND id < ?
       AND aside = ${STEPPED_ASIDE}`,
  );

  function leads(row: Lane): boolean {
    if (row.ordered === 0) return true;
    const first = head.get(row.video, row.endpoint);
    return first === undefined || first.id >= row.id;
  }

  /** After a lane's head has gone: the next one's turn comes. */
  function moveOn({ ordered, video, endpoint }: Lane, now: number): DeliveryRow | undefined {
    if (ordered === 0) return undefined;
    const first = head.get(video, endpoint);
    if (first?.state === "pending" && first.due === null) setDue.run("pending", now, first.id);
    return first;
  }

  /** Whether a delivery that has failed holds its lane no longer (CONTRACT, "Order"). */
  function stepsAside(row: DeliveryRow, heldLong: boolean): boolean {
    if (row.ordered === 0 || row.aside !== 0) return false;
    return heldLong || steppedAside.get(row.video, row.endpoint, row.id) !== undefined;
  }

  return {
    /** `gate` is when the gate opens by itself; null: it is open. */
    add(
      lane: Lane & {
        event: number;
        videoIsNew: boolean;
        gateUntil: number | null;
        gate: number | null;
        replay: 0 | 1 | 2;
      },
      now: number,
    ): void {
      const { gate } = lane;
      const due = gate ?? (lane.videoIsNew || leads(lane) ? now : null);
      const state = gate === null ? "pending" : "waiting";
      insert.run(lane.id, lane.endpoint, lane.video, lane.event, lane.ordered, state, due, lane.gateUntil, lane.replay);
    },

    leads: (row: DeliveryRow) => row.aside !== 0 || leads(row),

    /** Shuts the gate until `gate`, or opens it (null). True when the delivery may go now. */
    setGate(row: DeliveryRow, gate: number | null, now: number): boolean {
      const goes = gate === null && leads(row);
      setDue.run(gate === null ? "pending" : "waiting", gate ?? (goes ? now : null), row.id);
      return goes;
    },

    /** Ends a delivery and lets its lane go on. */
    settle(row: DeliveryRow, state: "delivered" | "dead" | "canceled", error: string | null, now: number): void {
      settle.run(state, now, error, row.state === "running" ? 1 : 0, row.id);
      const next = moveOn(row, now);
      if (state !== "delivered" || row.ordered === 0) return;
      hasDelivered.run(row.video, row.endpoint, next?.id ?? Number.MAX_SAFE_INTEGER);
    },

    /** After a failed attempt. `heldLong`: it has been through as many waits of its schedule as `laneHold` allows. */
    retry(row: DeliveryRow, at: number, heldLong: boolean, error: string, now: number): void {
      const aside = stepsAside(row, heldLong);
      reschedule.run(at, aside ? STEPPED_ASIDE : row.aside, error, row.id);
      if (aside) moveOn(row, now);
    },

    /** From attempt 0, now. One that has been settled no longer holds its lane, which has gone on without it. */
    restart(row: DeliveryRow, now: number): void {
      restart.run(now, row.settled_at === null ? row.aside : ASIDE, row.id);
    },
  };
}

export type Lanes = ReturnType<typeof createLanes>;
