import type { JobState } from "../../../model/job.ts";
import type { Sql } from "../rows/sql.ts";

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

/**
 * The rules of a lane (one endpoint and one video; CONTRACT, "Order"), inside a transaction: its deliveries go one after
 * the other by id, which is commit order. Only the head has a due time; the next one gets its due time when its turn comes.
 * A delivery that was retried stands before later ones that have a due time already: theirs is taken from them when it comes.
 */
export function createLanes(db: Sql) {
  const insert = db.prepare(
    `INSERT INTO deliveries (id, endpoint, video, event, ordered, state, due, gate_until, replay) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const head = db.prepare<[number, string], DeliveryRow>(
    `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND aside = 0
     ORDER BY id LIMIT 1`,
  );
  const busy = db.prepare<[number, string], unknown>(
    `SELECT 1 FROM deliveries WHERE video = ? AND endpoint = ? AND state IN ('running', 'canceling') AND ordered = 1
       AND aside = 0 LIMIT 1`,
  );
  const setDue = db.prepare("UPDATE deliveries SET state = ?, due = ? WHERE id = ?");
  const openGate = db.prepare("UPDATE deliveries SET state = 'pending', due = ?, gate_until = NULL WHERE id = ?");
  const settle = db.prepare(
    `UPDATE deliveries SET state = ?, settled_at = ?, due = NULL, last_error = ?, attempts = attempts + ? WHERE id = ?`,
  );
  const reschedule = db.prepare(
    `UPDATE deliveries SET state = 'pending', attempts = attempts + 1, due = ?, aside = ?, last_error = ? WHERE id = ?`,
  );
  const restart = db.prepare(
    `UPDATE deliveries SET state = ?, due = ?, attempts = 0, aside = 0, settled_at = NULL WHERE id = ?`,
  );
  const cancelLater = db.prepare("UPDATE deliveries SET state = 'canceling', last_error = ? WHERE id = ?");
  // All that stand before a lane's head are aside: only those of them are looked at that have no due time.
  const asideIsNext = db.prepare(
    `UPDATE deliveries SET due = ? WHERE video = ? AND endpoint = ? AND settled_at IS NULL AND ordered = 1 AND id < ?
       AND state = 'pending' AND due IS NULL AND aside = 1`,
  );
  const isHasty = db.prepare<[string]>("SELECT 1 FROM meta WHERE name = ?");
  const setHasty = db.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES (?, x'')");
  const dropHasty = db.prepare("DELETE FROM meta WHERE name = ?");

  /**
   * The row of a lane of which one has stepped aside, and none was delivered since: the next of it that fails steps aside at
   * once.
   */
  const hasteOf = ({ video, endpoint }: Lane) => `hasty/${video}/${endpoint}`;

  /** Whether nothing stands before it. One aside holds nobody, and passes nobody. */
  function leads(row: Lane): boolean {
    if (row.ordered === 0) return true;
    const first = head.get(row.video, row.endpoint);
    return first === undefined || first.id >= row.id;
  }

  /** Whether one of the lane is under way, which is not interrupted. */
  function isBusy({ video, endpoint, ordered }: Lane): boolean {
    return ordered === 1 && busy.get(video, endpoint) !== undefined;
  }

  /** After one of a lane has ended, failed or lost its place: the turn of the next one comes. */
  function moveOn(lane: Lane, now: number): void {
    if (lane.ordered === 0) return;
    const { video, endpoint } = lane;
    const first = head.get(video, endpoint);
    if (first?.state === "pending" && first.due === null && !isBusy(first)) setDue.run("pending", now, first.id);
    asideIsNext.run(now, video, endpoint, first?.id ?? Number.MAX_SAFE_INTEGER);
  }

  /** Ends a delivery of which no attempt is known to be under way: what an unfinished one came to counts for nothing. */
  function drop(row: DeliveryRow, why: string | null, now: number): void {
    end({ ...row, state: "pending" }, "canceled", row.state === "canceling" ? row.last_error : why, now);
  }

  /** Ends a delivery and lets its lane go on. */
  function end(row: DeliveryRow, state: "delivered" | "dead" | "canceled", error: string | null, now: number): void {
    settle.run(state, now, error, isUnderWay(row) ? 1 : 0, row.id);
    if (state === "delivered" && row.ordered === 1) dropHasty.run(hasteOf(row));
    moveOn(row, now);
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
      const until = gate === null ? null : lane.gateUntil;
      insert.run(lane.id, lane.endpoint, lane.video, lane.event, lane.ordered, state, due, until, lane.replay);
    },

    leads,

    /** Takes its due time from one that something stands before: its turn comes again. */
    fallBack(row: DeliveryRow, now: number): void {
      setDue.run("pending", null, row.id);
      moveOn(row, now);
    },

    /** Shuts the gate until `gate`, or opens it for good (null). True when the delivery may go now. */
    setGate(row: DeliveryRow, gate: number | null, now: number): boolean {
      if (gate !== null) {
        setDue.run("waiting", gate, row.id);
        return false;
      }
      const goes = leads(row) && !isBusy(row);
      openGate.run(goes ? now : null, row.id);
      return goes;
    },

    settle: end,

    drop,

    /** Ends a delivery that is wanted no longer: one that runs, when its attempt or its lease ends. */
    cancel(row: DeliveryRow, why: string, now: number): void {
      const isLeased = isUnderWay(row) && row.due! > now;
      if (!isLeased) drop(row, why, now);
      else if (row.state === "running") cancelLater.run(why, row.id);
    },

    /** Ends the lease of one whose attempt is under way no longer: it waits again, or is canceled where that was asked for. */
    free(row: DeliveryRow, now: number): void {
      if (row.state === "canceling") return drop(row, row.last_error, now);
      setDue.run("pending", now, row.id);
      moveOn(row, now);
    },

    /** After a failed attempt. `heldLong`: it has been through as many waits of its schedule as `laneHold` allows. */
    retry(row: DeliveryRow, at: number, heldLong: boolean, error: string, now: number): void {
      const holds = row.ordered === 1 && row.aside === 0;
      const stepsAside = holds && (heldLong || isHasty.get(hasteOf(row)) !== undefined);
      if (stepsAside) setHasty.run(hasteOf(row));
      reschedule.run(at, stepsAside ? 1 : row.aside, error, row.id);
      moveOn(row, now);
    },

    /** From attempt 0, at its place in its lane. `gate`: when its gate opens; null: it is open. */
    restart(row: DeliveryRow, gate: number | null, now: number): void {
      const goes = gate === null && leads(row) && !isBusy(row);
      restart.run(gate === null ? "pending" : "waiting", gate ?? (goes ? now : null), row.id);
    },
  };
}

export function isUnderWay({ state }: Pick<DeliveryRow, "state">): boolean {
  return state === "running" || state === "canceling";
}

export type Lanes = ReturnType<typeof createLanes>;
