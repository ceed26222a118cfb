import { RelayError } from "../../../errors.ts";
import type { Attempt, Delivery, DeliveryJob, DeliveryOutcome } from "../../../model/delivery.ts";
import type { Job } from "../../../model/job.ts";
import type { Plan } from "../../../model/plan.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish, Store } from "../../store.ts";
import * as erasures from "../events/erasures.ts";
import * as events from "../events/events.ts";
import { ERASED } from "../events/forget.ts";
import * as videos from "../events/videos.ts";
import type { Ids } from "../rows/ids.ts";
import { ALL, page } from "../rows/paging.ts";
import { insert, sql, type Tx } from "../tx.ts";
import * as endpoints from "./endpoints.ts";
import * as gates from "./gates.ts";
import * as lanes from "./lanes.ts";
import { type DeliveryRow, isUnderWay } from "./lanes.ts";
import * as notices from "./notices.ts";

/** A claim looks this often for jobs among gates whose time has come, so that none takes long. */
const MAX_LOOKS = 100;

type AttemptRow = {
  started_at: number;
  duration: number;
  status: number | null;
  error: string | null;
  response: Uint8Array | null;
};

// Claims, settles and lists deliveries.

const DUE = sql<[string, number, number], DeliveryRow>(
  "SELECT * FROM deliveries WHERE endpoint = ? AND due <= ? ORDER BY due LIMIT ?",
);
const OTHER_DUE = sql<[string, number, number], unknown>(
  "SELECT 1 FROM deliveries WHERE endpoint = ? AND due <= ? AND id <> ? LIMIT 1",
);
const BY_ID = sql<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
const FIRST_DUE = sql<[string], { due: number | null }>(
  "SELECT min(due) AS due FROM deliveries WHERE endpoint = ? AND due IS NOT NULL",
);
const LEASE = sql<[number, number]>(
  "UPDATE deliveries SET state = 'running', due = ?, claims = claims + 1 WHERE id = ?",
);
const RENEW = sql<[number, number, number]>(
  "UPDATE deliveries SET due = ? WHERE id = ? AND claims = ? AND state IN ('running', 'canceling')",
);
// In no order, so that the index of only these is used.
const UNDER_WAY = sql<[], DeliveryRow>("SELECT * FROM deliveries WHERE state IN ('running', 'canceling')");
const BRING_FORWARD = sql<[number, number]>(
  "UPDATE deliveries SET due = due - ?, gate_until = gate_until - ? WHERE due IS NOT NULL AND settled_at IS NULL",
);
const NEVER_DUE = sql<[number, number, number]>(
  `UPDATE deliveries SET due = ?, gate_until = CASE WHEN gate_until > ? THEN ? ELSE gate_until END
   WHERE due >= ${LATEST_TIME} AND settled_at IS NULL`,
);
const logAttempt = insert("attempts", ["delivery", "n", "started_at", "duration", "status", "error", "response"]);
const ATTEMPTS_OF = sql<[number, number], AttemptRow>(
  "SELECT * FROM attempts WHERE delivery = ? ORDER BY n DESC LIMIT ?",
);
const IS_BODILESS = sql<[number], unknown>("SELECT 1 FROM events WHERE id = ? AND body IS NULL");

async function toJob(tx: Tx, row: DeliveryRow, endpoint: string): Promise<DeliveryJob> {
  const { event, bytes, body, media } = await events.message(tx, row.event);
  return {
    id: tx.ids.show("dlv", row.id),
    queue: `deliver/${endpoint}`,
    attempts: row.attempts,
    claim: tx.ids.claim(row.claims),
    eventId: event.id,
    videoId: event.videoId,
    endpoint,
    replay: row.replay > 0,
    messageId: row.replay === 2 ? tx.ids.show("msg", row.id) : event.id,
    event,
    bytes,
    body,
    media,
  };
}

/** Of a video that was erased while it ran: what the endpoint answered is not kept. */
async function isErased(tx: Tx, { event }: DeliveryRow): Promise<boolean> {
  return (await tx.get(IS_BODILESS, [event])) !== undefined;
}

async function rowOf(tx: Tx, id: string): Promise<DeliveryRow> {
  const row = await tx.get(BY_ID, [tx.ids.read("dlv", id)]);
  if (!row) throw new RelayError("not_found", `no delivery "${id}"`);
  return row;
}

export async function claim(tx: Tx, wish: ClaimWish & { endpoint: string }): Promise<DeliveryJob[]> {
  const { endpoint, now } = wish;
  if (await endpoints.isPaused(tx, endpoint)) return [];
  const isErasing = await erasures.isAny(tx);
  const jobs: DeliveryJob[] = [];
  for (let looks = 0; jobs.length < wish.limit && looks < MAX_LOOKS; looks++) {
    const rows = await tx.all(DUE, [endpoint, now, wish.limit - jobs.length]);
    if (rows.length === 0) break;
    for (const row of rows) {
      if (row.state === "canceling" || (isErasing && (await erasures.covers(tx, row)))) {
        await lanes.drop(tx, row, ERASED, now);
        continue;
      }
      // A gate that nothing opened in time opens now; the lane may still have to wait.
      if (row.state === "waiting" && !(await lanes.setGate(tx, row, null, now))) continue;
      // One whose lease ran out goes on, whatever stands before it now: its attempt may still be under way.
      if (row.state === "pending" && !(await lanes.leads(tx, row))) {
        await lanes.fallBack(tx, row, now);
        continue;
      }
      tx.write(LEASE, [now + wish.leaseFor, row.id]);
      jobs.push(await toJob(tx, { ...row, claims: row.claims + 1 }, endpoint));
    }
  }
  return jobs;
}

/**
 * Claims the deliveries of an event that was accepted in this transaction, for endpoints with a free slot: what a claim right
 * after it would give. Not where another delivery of the endpoint is due, which goes first.
 */
export async function leaseNew(
  tx: Tx,
  eventId: string,
  plan: Plan,
  { endpoints: free, leaseFor }: { endpoints: string[]; leaseFor: number },
): Promise<DeliveryJob[]> {
  const now = tx.now();
  const jobs: DeliveryJob[] = [];
  for (const [index, { endpoint }] of plan.deliveries.entries()) {
    if (!free.includes(endpoint)) continue;
    const id = tx.ids.read("evt", eventId) + 1 + index;
    const [row, isPaused, other, isErasing] = await Promise.all([
      tx.get(BY_ID, [id]),
      endpoints.isPaused(tx, endpoint),
      tx.get(OTHER_DUE, [endpoint, now, id]),
      erasures.isAny(tx),
    ]);
    const isDue = row?.state === "pending" && row.due !== null && row.due <= now;
    if (!isDue || isPaused || other !== undefined || isErasing) continue;
    tx.write(LEASE, [now + leaseFor, id]);
    jobs.push(await toJob(tx, { ...row, claims: row.claims + 1 }, endpoint));
  }
  return jobs;
}

export async function settle(
  tx: Tx,
  job: Job,
  outcome: DeliveryOutcome,
  now: number,
): Promise<{ settled: boolean; paused: boolean }> {
  const row = await tx.get(BY_ID, [tx.ids.find("dlv", job.id)]);
  // A late worker, whose lease went to another claim, settles nothing.
  const isOurs = row !== undefined && isUnderWay(row) && row.claims === tx.ids.claimed(job.claim);
  if (!isOurs) return { settled: false, paused: false };
  const { startedAt, duration, status, error, response } = outcome.attempt;
  const wasErased = row.state === "canceling" && (await isErased(tx, row));
  const kept = wasErased ? { error: null, response: null } : { error, response };
  logAttempt(tx, { delivery: row.id, n: row.claims, started_at: startedAt, duration, status, ...kept });
  if (outcome.is === "delivered") await lanes.settle(tx, row, "delivered", error, now);
  else if (row.state === "canceling") await lanes.settle(tx, row, "canceled", row.last_error, now);
  else if (outcome.is === "dead") await lanes.settle(tx, row, "dead", error, now);
  else await lanes.retry(tx, row, outcome.at, outcome.heldLong, error ?? "failed", now);
  if (outcome.is === "delivered" && outcome.pending && !wasErased && !(await erasures.covers(tx, row)))
    await notices.owe(tx, row, outcome.pending, now);
  return { settled: true, paused: await endpoints.pauseGone(tx, row, status, now) };
}

/** A lease that ends now is given back: no attempt is under way any longer. */
export async function renew(tx: Tx, job: Job, leaseFor: number, now: number): Promise<boolean> {
  const id = tx.ids.find("dlv", job.id);
  const isOurs = (await tx.changed(RENEW, [now + leaseFor, id, tx.ids.claimed(job.claim)])) === 1;
  if (isOurs && leaseFor <= 0) await lanes.free(tx, (await tx.get(BY_ID, [id]))!, now);
  return isOurs;
}

export async function freeLeases(tx: Tx, now: number): Promise<number> {
  const rows = (await tx.all(UNDER_WAY, [])).sort((a, b) => a.id - b.id);
  for (const row of rows) await lanes.free(tx, row, now);
  return rows.length;
}

/** The clock went back by so much: what was to come stays as far away as it was. */
export const bringForward = (tx: Tx, by: number) => tx.write(BRING_FORWARD, [by, by]);

/** What a clock that was wrong put off for ever is due now. */
export const mendDue = (tx: Tx, now: number) => tx.write(NEVER_DUE, [now, now, now]);

/** When a delivery to this endpoint comes due; null also while it is paused. */
export async function nextDue(tx: Tx, endpoint: string): Promise<number | null> {
  const [isPaused, first] = await Promise.all([endpoints.isPaused(tx, endpoint), tx.get(FIRST_DUE, [endpoint])]);
  return isPaused ? null : (first?.due ?? null);
}

export async function show(tx: Tx, id: string, limit = ALL): Promise<Delivery & { attemptLog: Attempt[] }> {
  const row = await rowOf(tx, id);
  const attempts = (await tx.all(ATTEMPTS_OF, [row.id, limit])).reverse();
  const attemptLog = attempts.map((attempt) => ({
    startedAt: attempt.started_at,
    duration: attempt.duration,
    status: attempt.status,
    error: attempt.error,
    response: attempt.response,
  }));
  return { ...toDelivery(tx.ids, { ...row, video_id: await videos.idOf(tx, row.video) }), attemptLog };
}

export async function list(tx: Tx, wish: Parameters<Store["deliveries"]>[0]): Promise<Delivery[]> {
  const list = page<DeliveryRow & { video_id: string }>(
    tx,
    "d.*, v.video_id FROM deliveries d JOIN videos v ON v.id = d.video",
    "d.id",
    "dlv",
    wish,
  );
  if (wish.endpoint !== undefined) list.where("d.endpoint = ?", wish.endpoint);
  if (wish.state === "running") list.where("d.state IN ('running', 'canceling')");
  else if (wish.state !== undefined) list.where("d.state = ?", wish.state);
  if (wish.eventId !== undefined) {
    const event = tx.ids.read("evt", wish.eventId);
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
  const rows = await (isFiltered && !isOfOne ? list.scan("deliveries") : list.all());
  return rows.map((row) => toDelivery(tx.ids, row));
}

export async function retry(tx: Tx, id: string, now: number): Promise<void> {
  const row = await rowOf(tx, id);
  if (row.state === "delivered") throw new RelayError("conflict", `${id} is delivered; "events replay" sends it again`);
  if (isUnderWay(row)) throw new RelayError("conflict", `${id} is being attempted right now`);
  await lanes.restart(tx, row, await gates.shutUntil(tx, row, now), now);
}

export async function cancel(tx: Tx, id: string, now: number): Promise<void> {
  const row = await rowOf(tx, id);
  if (row.settled_at !== null) throw new RelayError("conflict", `${id} is ${row.state} already`);
  await lanes.cancel(tx, row, "canceled by the operator", now);
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
