import type Database from "better-sqlite3";
import type { JobState, MediaKind } from "../../domain.ts";
import type { Ids } from "./ids.ts";

/** A job row, as SQLite gives it. */
export type JobRow = {
  id: number;
  queue: string;
  lane: string | null;
  state: JobState;
  due: number | null;
  alarm: number | null;
  aside: number;
  video: number;
  event: number;
  medium: number | null;
  gate_until: number | null;
  replay: number;
  attempts: number;
  claims: number;
  failing_since: number | null;
  last_error: string | null;
  settled_at: number | null;
};

/** A first download's due time is its deadline moved by this much: always due, by deadline, before any repeated one. */
const FIRST_TRY = -100_000_000_000_000;

/** Where a scan over the queues of a prefix stops, so that a flood of made-up hosts cannot make a claim slow. */
const MAX_QUEUES = 2_000;

export const DOWNLOAD = "download/";
export const DELIVER = "deliver/";

/** The rules that every kind of job shares, inside a transaction: lanes, leases, fences. */
export function createJobs(db: Database.Database, ids: Ids) {
  const insert = db.prepare(
    `INSERT INTO jobs (id, queue, lane, state, due, alarm, video, event, medium, gate_until, replay)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const byId = db.prepare<[number], JobRow>("SELECT * FROM jobs WHERE id = ?");
  const head = db.prepare<[string], JobRow>(
    "SELECT * FROM jobs WHERE lane = ? AND settled_at IS NULL AND aside = 0 ORDER BY id LIMIT 1",
  );
  const setDue = db.prepare("UPDATE jobs SET due = ? WHERE id = ?");
  const setGate = db.prepare("UPDATE jobs SET state = ?, due = ?, alarm = ? WHERE id = ?");
  const lease = db.prepare("UPDATE jobs SET state = 'running', due = ?, claims = claims + 1 WHERE id = ?");
  const renew = db.prepare("UPDATE jobs SET due = ? WHERE id = ? AND claims = ? AND state = 'running'");
  const settle = db.prepare(
    "UPDATE jobs SET state = ?, settled_at = ?, due = NULL, alarm = NULL, last_error = ? WHERE id = ?",
  );
  const countAttempt = db.prepare("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?");
  const reschedule = db.prepare(
    `UPDATE jobs SET state = 'pending', attempts = attempts + 1, due = ?, alarm = ?, last_error = ?,
       failing_since = coalesce(failing_since, ?) WHERE id = ?`,
  );
  const restart = db.prepare(
    `UPDATE jobs SET state = 'pending', attempts = 0, failing_since = NULL, settled_at = NULL, due = ?, alarm = NULL, aside = ? WHERE id = ?`,
  );
  const stepAside = db.prepare("UPDATE jobs SET aside = 1, alarm = NULL WHERE id = ?");
  const alarms = db.prepare<[number], JobRow>("SELECT * FROM jobs WHERE alarm <= ? ORDER BY alarm LIMIT 1000");
  const nextAlarm = db.prepare<[], { alarm: number | null }>(
    "SELECT min(alarm) AS alarm FROM jobs WHERE alarm IS NOT NULL",
  );
  const freeLeases = db.prepare(
    "UPDATE jobs SET state = 'pending', due = ? WHERE due IS NOT NULL AND state = 'running'",
  );
  const firstQueue = db.prepare<[string], { queue: string }>(
    "SELECT queue FROM jobs WHERE due IS NOT NULL AND queue >= ? ORDER BY queue LIMIT 1",
  );
  const nextQueue = db.prepare<[string], { queue: string }>(
    "SELECT queue FROM jobs WHERE due IS NOT NULL AND queue > ? ORDER BY queue LIMIT 1",
  );
  const firstDue = db.prepare<[string], { due: number | null }>(
    "SELECT min(due) AS due FROM jobs WHERE queue = ? AND due IS NOT NULL",
  );

  /** The due time of a job that may run from `at` on: that, if it leads its lane, else none yet. */
  function turn(lane: string | null, id: number, at: number): number | null {
    if (lane === null) return at;
    const first = head.get(lane);
    return first === undefined || first.id === id ? at : null;
  }

  /** After a lane's head has gone: the next one's turn comes. */
  function moveOn(lane: string | null, now: number): void {
    if (lane === null) return;
    const first = head.get(lane);
    if (first && first.state === "pending" && first.due === null) setDue.run(now, first.id);
  }

  return {
    byId: (id: number) => byId.get(id),

    addDownload(download: {
      medium: number;
      kind: MediaKind;
      host: string;
      deadline: number;
      event: number;
      video: number;
      videoIsNew: boolean;
    }): number {
      const id = ids.next();
      const lane = `${download.kind}/${download.video}`;
      const first = FIRST_TRY + download.deadline;
      const due = download.videoIsNew ? first : turn(lane, id, first);
      insert.run(
        id,
        DOWNLOAD + download.host,
        lane,
        "pending",
        due,
        null,
        download.video,
        download.event,
        download.medium,
        null,
        0,
      );
      return id;
    },

    /** `gate` is when the gate opens by itself; null: it is open. */
    addDelivery(delivery: {
      endpoint: string;
      ordered: boolean;
      event: number;
      video: number;
      videoIsNew: boolean;
      gateUntil: number | null;
      gate: number | null;
      replay: 0 | 1 | 2;
      now: number;
    }): number {
      const id = ids.next();
      const { endpoint, video, gate, now } = delivery;
      const lane = delivery.ordered ? `${endpoint}/${video}` : null;
      const due = gate !== null ? null : delivery.videoIsNew ? now : turn(lane, id, now);
      const state = gate === null ? "pending" : "waiting";
      insert.run(
        id,
        DELIVER + endpoint,
        lane,
        state,
        due,
        gate,
        video,
        delivery.event,
        null,
        delivery.gateUntil,
        delivery.replay,
      );
      return id;
    },

    isRunning(id: number | null): boolean {
      return id !== null && byId.get(id)?.state === "running";
    },

    /** Leases a job; returns its row as it now is. */
    lease(row: JobRow, until: number): JobRow {
      lease.run(until, row.id);
      return { ...row, state: "running", due: until, claims: row.claims + 1 };
    },
    renew: (id: number, claim: number, until: number) => renew.run(until, id, claim).changes === 1,

    /** The row of a claim that still holds, else null: a late worker settles nothing. */
    claimed(id: number, claim: number): JobRow | null {
      const row = byId.get(id);
      return row && row.state === "running" && row.claims === claim ? row : null;
    },

    /** Ends a job and lets its lane move on. */
    settle(row: JobRow, state: "delivered" | "dead" | "canceled", error: string | null, now: number): void {
      settle.run(state, now, error, row.id);
      if (row.state === "running") countAttempt.run(row.id);
      moveOn(row.lane, now);
    },
    drop(id: number, now: number): void {
      const row = byId.get(id);
      if (row && row.settled_at === null) this.settle(row, "canceled", "replaced by a fresher link", now);
    },

    retry(row: JobRow, at: number, alarm: number | null, error: string, now: number): void {
      reschedule.run(at, row.aside ? null : alarm, error, now, row.id);
    },
    /** From attempt 0, now. One that has been settled no longer holds its lane, which has gone on without it. */
    restart(row: JobRow, now: number): void {
      restart.run(now, row.settled_at !== null || row.aside ? 1 : 0, row.id);
    },
    leads: (row: JobRow) => row.lane === null || row.aside === 1 || head.get(row.lane)?.id === row.id,

    /** Shuts the gate until `gate`, or opens it (null). */
    setGate(row: JobRow, gate: number | null, now: number): void {
      if (gate === null) setGate.run("pending", turn(row.lane, row.id, now), null, row.id);
      else setGate.run("waiting", null, gate, row.id);
    },

    /** Opens gates and moves heads aside whose time has come; returns the next such time. */
    advance(now: number): number | null {
      for (const row of alarms.all(now)) {
        if (row.state === "waiting") this.setGate(row, null, now);
        else {
          stepAside.run(row.id);
          moveOn(row.lane, now);
        }
      }
      return nextAlarm.get()?.alarm ?? null;
    },

    nextAlarm: () => nextAlarm.get()?.alarm ?? null,

    freeLeases: (now: number) => freeLeases.run(now).changes,

    /** The queues under a prefix in which something is scheduled. */
    queues(prefix: string): string[] {
      const found: string[] = [];
      let row = firstQueue.get(prefix);
      while (row?.queue.startsWith(prefix) && found.length < MAX_QUEUES) {
        found.push(row.queue);
        row = nextQueue.get(row.queue);
      }
      return found;
    },
    firstDue: (queue: string) => firstDue.get(queue)?.due ?? null,
  };
}

export type Jobs = ReturnType<typeof createJobs>;
