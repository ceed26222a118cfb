import { RelayError } from "../../../errors.ts";
import type { Attempt, Delivery, DeliveryJob, DeliveryOutcome } from "../../../model/delivery.ts";
import type { Job } from "../../../model/job.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish, Store } from "../../store.ts";
import { createErasures } from "../events/erasures.ts";
import type { Events } from "../events/events.ts";
import { ERASED } from "../events/forget.ts";
import type { Ids } from "../rows/ids.ts";
import { ALL, page } from "../rows/paging.ts";
import type { Sql } from "../rows/sql.ts";
import type { Gates } from "./gates.ts";
import { type DeliveryRow, isUnderWay, type Lanes } from "./lanes.ts";
import type { Notices } from "./notices.ts";

/** Why an endpoint is paused that says itself that it is gone. */
const GONE = "answered 410 Gone for two videos in a row";

/** A claim looks this often for jobs among gates whose time has come, so that none takes long. */
const MAX_LOOKS = 100;

/** `gone`: the video for which it last answered 410; 0: its last answer was another one. */
type EndpointRow = { id: string; paused_at: number | null; reason: string | null; gone: number };
type AttemptRow = {
  started_at: number;
  duration: number;
  status: number | null;
  error: string | null;
  response: Uint8Array | null;
};

/** Claims, settles and lists deliveries, inside a transaction; the state of endpoints. */
export function createDeliveries(
  db: Sql,
  ids: Ids,
  lanes: Lanes,
  gates: Pick<Gates, "shutUntil">,
  events: Events,
  notices: Pick<Notices, "owe">,
) {
  const due = db.prepare<[string, number, number], DeliveryRow>(
    "SELECT * FROM deliveries WHERE endpoint = ? AND due <= ? ORDER BY due LIMIT ?",
  );
  const byId = db.prepare<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
  const firstDue = db.prepare<[string], { due: number | null }>(
    "SELECT min(due) AS due FROM deliveries WHERE endpoint = ? AND due IS NOT NULL",
  );
  const lease = db.prepare("UPDATE deliveries SET state = 'running', due = ?, claims = claims + 1 WHERE id = ?");
  const renew = db.prepare(
    "UPDATE deliveries SET due = ? WHERE id = ? AND claims = ? AND state IN ('running', 'canceling')",
  );
  // In no order, so that the index of only these is used.
  const underWay = db.prepare<[], DeliveryRow>("SELECT * FROM deliveries WHERE state IN ('running', 'canceling')");
  const bringForward = db.prepare(
    "UPDATE deliveries SET due = due - ?, gate_until = gate_until - ? WHERE due IS NOT NULL AND settled_at IS NULL",
  );
  const neverDue = db.prepare(
    `UPDATE deliveries SET due = ?, gate_until = min(gate_until, ?) WHERE due >= ${LATEST_TIME} AND settled_at IS NULL`,
  );
  const logAttempt = db.prepare(
    "INSERT INTO attempts (delivery, n, started_at, duration, status, error, response) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const attemptsOf = db.prepare<[number, number], AttemptRow>(
    "SELECT * FROM attempts WHERE delivery = ? ORDER BY n DESC LIMIT ?",
  );
  const endpointRow = db.prepare<[string], EndpointRow>("SELECT * FROM endpoints WHERE id = ?");
  const allEndpoints = db.prepare<[], EndpointRow>("SELECT * FROM endpoints ORDER BY id");
  const setGone = db.prepare(
    "INSERT INTO endpoints (id, gone) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET gone = excluded.gone",
  );
  const setPaused = db.prepare(
    `INSERT INTO endpoints (id, paused_at, reason) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET paused_at = excluded.paused_at, reason = excluded.reason, gone = 0`,
  );

  const isBodiless = db.prepare<[number], unknown>("SELECT 1 FROM events WHERE id = ? AND body IS NULL");

  const erasures = createErasures(db);

  function toJob(row: DeliveryRow, endpoint: string): DeliveryJob {
    const { event, bytes, media } = events.message(row.event);
    return {
      id: ids.show("dlv", row.id),
      queue: `deliver/${endpoint}`,
      attempts: row.attempts,
      claim: ids.claim(row.claims),
      eventId: event.id,
      videoId: event.videoId,
      endpoint,
      replay: row.replay > 0,
      messageId: row.replay === 2 ? ids.show("msg", row.id) : event.id,
      event,
      bytes,
      media,
    };
  }

  /** Two 410s in a row, of two videos, pause an endpoint. True when this one does. */
  function countGone({ endpoint, video }: DeliveryRow, status: number | null, now: number): boolean {
    const { gone: before, paused_at } = endpointRow.get(endpoint) ?? { gone: 0, paused_at: null };
    // Attempts that were under way when it was paused: their answers leave the pause as it is.
    if (paused_at !== null) return false;
    const gone = status !== 410 ? 0 : before === 0 ? video : before;
    if (gone !== before) setGone.run(endpoint, gone);
    if (gone === 0 || gone === video) return false;
    setPaused.run(endpoint, now, GONE);
    return true;
  }

  /** Of a video that was erased while it ran: what the endpoint answered is not kept. */
  function isErased({ event, state }: DeliveryRow): boolean {
    return state === "canceling" && isBodiless.get(event) !== undefined;
  }

  function rowOf(id: string): DeliveryRow {
    const row = byId.get(ids.read("dlv", id));
    if (!row) throw new RelayError("not_found", `no delivery "${id}"`);
    return row;
  }

  return {
    claim(wish: ClaimWish & { endpoint: string }): DeliveryJob[] {
      const { endpoint, now } = wish;
      if (endpointRow.get(endpoint)?.paused_at != null) return [];
      const jobs: DeliveryJob[] = [];
      for (let looks = 0; jobs.length < wish.limit && looks < MAX_LOOKS; looks++) {
        const rows = due.all(endpoint, now, wish.limit - jobs.length);
        if (rows.length === 0) break;
        for (const row of rows) {
          if (row.state === "canceling" || erasures.covers(row)) {
            lanes.drop(row, ERASED, now);
            continue;
          }
          // A gate that nothing opened in time opens now; the lane may still have to wait.
          if (row.state === "waiting" && !lanes.setGate(row, null, now)) continue;
          // One whose lease ran out goes on, whatever stands before it now: its attempt may still be under way.
          if (row.state === "pending" && !lanes.leads(row)) {
            lanes.fallBack(row, now);
            continue;
          }
          lease.run(now + wish.leaseFor, row.id);
          jobs.push(toJob({ ...row, claims: row.claims + 1 }, endpoint));
        }
      }
      return jobs;
    },

    settle(job: Job, outcome: DeliveryOutcome, now: number): { settled: boolean; paused: boolean } {
      const row = byId.get(ids.find("dlv", job.id));
      // A late worker, whose lease went to another claim, settles nothing.
      const isOurs = row !== undefined && isUnderWay(row) && row.claims === ids.claimed(job.claim);
      if (!isOurs) return { settled: false, paused: false };
      const { startedAt, duration, status, error, response } = outcome.attempt;
      const kept = isErased(row) ? { error: null, response: null } : { error, response };
      logAttempt.run(row.id, row.claims, startedAt, duration, status, kept.error, kept.response);
      if (outcome.is === "delivered") lanes.settle(row, "delivered", error, now);
      else if (row.state === "canceling") lanes.settle(row, "canceled", row.last_error, now);
      else if (outcome.is === "dead") lanes.settle(row, "dead", error, now);
      else lanes.retry(row, outcome.at, outcome.heldLong, error ?? "failed", now);
      if (outcome.is === "delivered" && outcome.pending && !erasures.covers(row) && !isErased(row))
        notices.owe(row, outcome.pending, now);
      return { settled: true, paused: countGone(row, status, now) };
    },

    /** A lease that ends now is given back: no attempt is under way any longer. */
    renew(job: Job, leaseFor: number, now: number): boolean {
      const id = ids.find("dlv", job.id);
      const isOurs = renew.run(now + leaseFor, id, ids.claimed(job.claim)).changes === 1;
      if (isOurs && leaseFor <= 0) lanes.free(byId.get(id)!, now);
      return isOurs;
    },

    freeLeases(now: number): number {
      const rows = underWay.all().sort((a, b) => a.id - b.id);
      for (const row of rows) lanes.free(row, now);
      return rows.length;
    },

    /** The clock went back by so much: what was to come stays as far away as it was. */
    bringForward: (by: number) => void bringForward.run(by, by),

    /** What a clock that was wrong put off for ever is due now. */
    mendDue: (now: number) => void neverDue.run(now, now),

    /** When a delivery to this endpoint comes due; null also while it is paused. */
    nextDue(endpoint: string): number | null {
      return endpointRow.get(endpoint)?.paused_at != null ? null : (firstDue.get(endpoint)?.due ?? null);
    },

    show(id: string, limit = ALL): Delivery & { attemptLog: Attempt[] } {
      const row = rowOf(id);
      const attempts = attemptsOf.all(row.id, limit).reverse();
      const attemptLog = attempts.map((attempt) => ({
        startedAt: attempt.started_at,
        duration: attempt.duration,
        status: attempt.status,
        error: attempt.error,
        response: attempt.response,
      }));
      return { ...toDelivery(ids, { ...row, video_id: events.videoIdOf(row.video) }), attemptLog };
    },

    list(wish: Parameters<Store["deliveries"]>[0]): Delivery[] {
      const list = page<DeliveryRow & { video_id: string }>(
        db,
        ids,
        "d.*, v.video_id FROM deliveries d JOIN videos v ON v.id = d.video",
        "d.id",
        "dlv",
        wish,
      );
      if (wish.endpoint !== undefined) list.where("d.endpoint = ?", wish.endpoint);
      if (wish.state === "running") list.where("d.state IN ('running', 'canceling')");
      else if (wish.state !== undefined) list.where("d.state = ?", wish.state);
      if (wish.eventId !== undefined) {
        const event = ids.read("evt", wish.eventId);
        const own = "d.id BETWEEN ? + 1 AND ? + (SELECT deliveries FROM events WHERE id = ?)";
        list.where(
          `(${own} OR d.id IN (SELECT id FROM deliveries WHERE event = ? AND replay > 0))`,
          event,
          event,
          event,
          event,
        );
      }
      if (wish.videoId !== undefined) list.where("v.video_id = ?", wish.videoId);
      const isFiltered = wish.endpoint !== undefined || wish.state !== undefined;
      const isOfOne = wish.eventId !== undefined || wish.videoId !== undefined;
      return (isFiltered && !isOfOne ? list.scan("deliveries") : list.all()).map((row) => toDelivery(ids, row));
    },

    retry(id: string, now: number): void {
      const row = rowOf(id);
      if (row.state === "delivered")
        throw new RelayError("conflict", `${id} is delivered; "events replay" sends it again`);
      if (isUnderWay(row)) throw new RelayError("conflict", `${id} is being attempted right now`);
      lanes.restart(row, gates.shutUntil(row, now), now);
    },

    cancel(id: string, now: number): void {
      const row = rowOf(id);
      if (row.settled_at !== null) throw new RelayError("conflict", `${id} is ${row.state} already`);
      lanes.cancel(row, "canceled by the operator", now);
    },

    endpoints: () =>
      allEndpoints.all().map((row) => ({ endpoint: row.id, pausedAt: row.paused_at, reason: row.reason })),
    pause: (endpoint: string, reason: string, now: number) => void setPaused.run(endpoint, now, reason),
    resume: (endpoint: string) => void setPaused.run(endpoint, null, null),
  };
}

function toDelivery(ids: Ids, row: DeliveryRow & { video_id: string }): Delivery {
  const nextAttemptAt = row.state === "pending" || row.state === "waiting" ? row.due : null;
  return {
    id: ids.show("dlv", row.id),
    eventId: ids.show("evt", row.event),
    videoId: row.video_id,
    endpoint: row.endpoint,
    state: row.state === "canceling" ? "running" : row.state,
    attempts: row.attempts,
    nextAttemptAt,
    lastError: row.last_error,
    replay: row.replay > 0,
  };
}
