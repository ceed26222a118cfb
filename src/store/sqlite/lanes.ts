import type { JobState } from "../../domain.ts";
import type { Sql } from "./sql.ts";

/** A delivery row, as SQLite gives it. */
export type DeliveryRow = {
  id: number;
  endpoint: string;
  video: number;
  event: number;
  ordered: number;
  state: JobState;
  due: number | null;
  gate_until: number | null;
  aside: number;
  aside_at: number | null;
  replay: number;
  attempts: number;
  claims: number;
  failing_since: number | null;
  last_error: string | null;
  settled_at: number | null;
};

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
    `UPDATE deliveries SET state = ?, settled_at = ?, due = NULL, aside_at = NULL, last_error = ?, attempts = attempts + ? WHERE id = ?`,
  );
  const reschedule = db.prepare(
    `UPDATE deliveries SET state = 'pending', attempts = attempts + 1, due = ?, aside_at = ?, last_error = ?,
       failing_since = coalesce(failing_since, ?) WHERE id = ?`,
  );
  const restart = db.prepare(
    `UPDATE deliveries SET state = 'pending', attempts = 0, failing_since = NULL, settled_at = NULL, due = ?,
       aside_at = NULL, aside = ? WHERE id = ?`,
  );
  const failing = db.prepare<[string, number], DeliveryRow>(
    "SELECT * FROM deliveries WHERE endpoint = ? AND aside_at <= ? ORDER BY aside_at LIMIT 1000",
  );
  const nextAside = db.prepare<[string], { at: number | null }>(
    "SELECT min(aside_at) AS at FROM deliveries WHERE endpoint = ? AND aside_at IS NOT NULL",
  );
  const postponeAside = db.prepare(
    "UPDATE deliveries SET aside_at = aside_at + ? WHERE endpoint = ? AND aside_at IS NOT NULL",
  );
  const stepAside = db.prepare("UPDATE deliveries SET aside = 1, aside_at = NULL WHERE id = ?");

  function leads(row: Lane): boolean {
    if (row.ordered === 0) return true;
    const first = head.get(row.video, row.endpoint);
    return first === undefined || first.id >= row.id;
  }

  /** After a lane's head has gone: the next one's turn comes. */
  function moveOn({ ordered, video, endpoint }: Lane, now: number): void {
    if (ordered === 0) return;
    const first = head.get(video, endpoint);
    if (first?.state === "pending" && first.due === null) setDue.run("pending", now, first.id);
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

    leads: (row: DeliveryRow) => row.aside === 1 || leads(row),

    /** Shuts the gate until `gate`, or opens it (null). True when the delivery may go now. */
    setGate(row: DeliveryRow, gate: number | null, now: number): boolean {
      const goes = gate === null && leads(row);
      setDue.run(gate === null ? "pending" : "waiting", gate ?? (goes ? now : null), row.id);
      return goes;
    },

    /** Ends a delivery and lets its lane go on. */
    settle(row: DeliveryRow, state: "delivered" | "dead" | "canceled", error: string | null, now: number): void {
      settle.run(state, now, error, row.state === "running" ? 1 : 0, row.id);
      moveOn(row, now);
    },

    retry(row: DeliveryRow, at: number, asideAt: number, error: string, now: number): void {
      reschedule.run(at, row.ordered === 0 || row.aside === 1 ? null : asideAt, error, now, row.id);
    },

    /** From attempt 0, now. One that has been settled no longer holds its lane, which has gone on without it. */
    restart(row: DeliveryRow, now: number): void {
      restart.run(now, row.settled_at !== null || row.aside === 1 ? 1 : 0, row.id);
    },

    /** Heads that have failed for too long step aside. */
    stepAside(endpoint: string, now: number): void {
      for (const row of failing.all(endpoint, now)) {
        stepAside.run(row.id);
        moveOn(row, now);
      }
    },
    nextAside: (endpoint: string) => nextAside.get(endpoint)?.at ?? null,
    /** Time in which nothing was tried is no time of failing. */
    postponeAside: (endpoint: string, by: number) => void postponeAside.run(by, endpoint),
  };
}

export type Lanes = ReturnType<typeof createLanes>;
