import type { DeliveryJob } from "../../../model/delivery.ts";
import type { Plan } from "../../../model/plan.ts";
import type { ClaimWish } from "../../store.ts";
import * as erasures from "../events/erasures.ts";
import * as events from "../events/events.ts";
import { ERASED } from "../events/forget.ts";
import { held } from "../rows/held.ts";
import { ofMany } from "../rows/many.ts";
import { sql, type Tx } from "../tx.ts";
import type { Standing } from "./endpoints.ts";
import * as endpoints from "./endpoints.ts";
import * as forward from "./forward.ts";
import * as gates from "./gates.ts";
import * as lanes from "./lanes.ts";
import { type DeliveryRow, isUnderWay } from "./lanes.ts";
import * as pace from "./pace.ts";

/**
 * A claim looks this often for jobs among gates whose time has come, and among what others of its lane stand before now, so
 * that none takes long.
 */
const MAX_LOOKS = 100;

/** Among how many that have failed a probe is looked for. */
const MOST_TRIED = 100;

// Which deliveries to an endpoint are sent now (CONTRACT, "Order" and "Breaker").

const DUE = sql<[string, number, number], DeliveryRow>(
  "SELECT * FROM deliveries WHERE endpoint = ? AND due <= ? ORDER BY due, id LIMIT ?",
);
const UNTRIED = sql<[string, number, number], DeliveryRow>(
  `SELECT * FROM deliveries WHERE endpoint = ? AND due <= ? AND tried_at IS NULL ORDER BY due, id LIMIT ?`,
);
// Those that wait after an answer of their own, or as they were asked to, do so.
const TRIED = sql<[string, number, number, number], DeliveryRow>(
  `SELECT * FROM deliveries WHERE endpoint = ? AND state = 'pending' AND tried_at IS NOT NULL AND due IS NOT NULL
     AND hint <= ? AND (coalesce(failed_by, '') <> 'event' OR due <= ?) ORDER BY tried_at, due, id LIMIT ?`,
);
const OTHER_DUE = sql<[string, number, number], unknown>(
  "SELECT 1 FROM deliveries WHERE endpoint = ? AND due <= ? AND id <> ? LIMIT 1",
);
const BY_ID = sql<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
const FIRST_DUE = sql<[string], { due: number | null }>(
  "SELECT min(due) AS due FROM deliveries WHERE endpoint = ? AND due IS NOT NULL",
);
// Of what a probe may be made of before its own time: when the first may be sent.
const FIRST_ASKED = sql<[string], { hint: number | null }>(
  `SELECT min(hint) AS hint FROM deliveries WHERE endpoint = ? AND state = 'pending' AND due IS NOT NULL
     AND failed_by IN ('shared', 'always')`,
);
// By the index of what runs: that of what is due may hold all that waits. One whose lease has run out is claimed anew.
const RUNNING = "FROM deliveries WHERE state IN ('running', 'canceling') AND endpoint || '' = ? AND due + 0 > ?";
const IN_FLIGHT = sql<[string, number], { count: number }>(`SELECT count(*) AS count ${RUNNING}`);
const LAPSED = sql<[string, number], DeliveryRow>(
  "SELECT * FROM deliveries WHERE state IN ('running', 'canceling') AND endpoint || '' = ? AND due + 0 <= ?",
);
const LEASE = ofMany(
  (ids) => `UPDATE deliveries SET state = 'running', due = ?, tried_at = ?, claims = claims + 1 WHERE id IN (${ids})`,
);

/** Of rows that may go. */
async function lease(tx: Tx, rows: DeliveryRow[], now: number, leaseFor: number): Promise<DeliveryJob[]> {
  if (rows.length === 0) return [];
  LEASE.write(
    tx,
    rows.map(({ id }) => id),
    [now + leaseFor, now],
  );
  const messages = await events.messages(
    tx,
    rows.map(({ event }) => event),
  );
  return rows.map((row) => toJob(tx, row, messages.get(row.event)!));
}

function toJob(tx: Tx, row: DeliveryRow, { event, ...parts }: events.Message): DeliveryJob {
  return {
    id: tx.ids.show("dlv", row.id),
    queue: `deliver/${row.endpoint}`,
    attempts: row.attempts,
    claim: tx.ids.claim(row.claims + 1),
    eventId: event.id,
    videoId: event.videoId ?? "",
    endpoint: row.endpoint,
    replay: row.replay > 0,
    messageId: messageIdOf(tx, row),
    event,
    ...parts,
  };
}

/** A replay of a task that asked for a new one has the same at every endpoint, and however often it is made. */
export function messageIdOf(tx: Tx, { id, task, event, replay }: DeliveryRow): string {
  if (replay !== 2) return tx.ids.show("evt", event);
  if (task === null) return tx.ids.show("msg", id);
  return tx.ids.show("msg", task) + tx.ids.show("evt", event).slice("evt".length);
}

/**
 * How many may begin, of those that are wished for: after a breaker has closed they grow from one. While other relays have some
 * under way, those count against the endpoint's concurrency, too.
 */
async function room(
  tx: Tx,
  { health, choice }: Standing,
  { endpoint, limit: wished, now }: ClaimWish & { endpoint: string },
): Promise<number> {
  const slots = (await isSharedNow(tx, endpoint, now)) ? (choice?.concurrency ?? 1) : Number.POSITIVE_INFINITY;
  const most = Math.min(slots, health?.ramp ?? Number.POSITIVE_INFINITY);
  if (most === Number.POSITIVE_INFINITY) return wished;
  const { count } = (await tx.get(IN_FLIGHT, [endpoint, now]))!;
  return Math.max(0, Math.min(wished, most - count));
}

/** Whether another relay has deliveries to the endpoint under way. */
async function isSharedNow(tx: Tx, endpoint: string, now: number): Promise<boolean> {
  if (tx.relay.isAlone) return false;
  const others = sql<[string, number], unknown>(`SELECT 1 ${RUNNING} AND NOT (${tx.relay.isOwn}) LIMIT 1`);
  return (await tx.get(others, [endpoint, now])) !== undefined;
}

/** What a claim found. `isMore`: the next one goes on where it ended. */
type Found = DeliveryJob[] | { jobs: DeliveryJob[]; isMore: true };

export async function claim(tx: Tx, wish: ClaimWish & { endpoint: string }): Promise<Found> {
  const { endpoint, now } = wish;
  if (tx.claimsFrom(now) > now) return [];
  const standing = await endpoints.read(tx, endpoint);
  if (endpoints.isPaused(standing)) return [];
  if (standing.health?.breaker) return probe(tx, standing, wish);
  const isMoreForward = standing.forward !== null && (await forward.goOn(tx, endpoint, standing.forward));
  const own = await pace.read(tx, standing.choice, endpoint, now);
  const limit = Math.min(await room(tx, standing, wish), pace.room(own, now));
  const isErasing = await erasures.isAny(tx);
  const jobs: DeliveryJob[] = [];
  let looks = 0;
  for (; jobs.length < limit && looks < MAX_LOOKS; looks++) {
    const rows = await held(tx, limit - jobs.length, (most) => tx.all(DUE, [endpoint, now, most]));
    if (rows.length === 0) break;
    const going: DeliveryRow[] = [];
    for (const row of rows) if (await mayGo(tx, row, isErasing, now)) going.push(row);
    jobs.push(...(await lease(tx, going, now, wish.leaseFor)));
  }
  pace.use(tx, endpoint, own, { count: jobs.length, now });
  return isMoreForward || (jobs.length < limit && looks === MAX_LOOKS) ? { jobs, isMore: true } : jobs;
}

/** Whether one that is due is sent now; else it is not due any longer. */
async function mayGo(tx: Tx, row: DeliveryRow, isErasing: boolean, now: number): Promise<boolean> {
  if (row.state === "canceling" || (isErasing && (await erasures.covers(tx, row)))) {
    await lanes.drop(tx, row, ERASED, now);
    return false;
  }
  // A gate that nothing opened in time opens now; the lane may still have to wait.
  if (row.state === "waiting") return lanes.setGate(tx, row, gates.openerOf(row), now);
  // One whose lease ran out goes on, whatever stands before it now: its attempt may still be under way.
  if (row.state !== "pending" || (await lanes.leads(tx, row))) return true;
  await lanes.fallBack(tx, row, now);
  return false;
}

/**
 * While its breaker is open an endpoint gets one attempt at a time, when the breaker says so: of the head whose last attempt
 * is longest ago.
 */
async function probe(tx: Tx, standing: Standing, wish: ClaimWish & { endpoint: string }): Promise<Found> {
  const { endpoint, now, limit, leaseFor } = wish;
  const { health = null, probing = null } = (await whileHeld(tx, endpoint, standing)) ?? {};
  if (limit === 0 || !health?.breaker || health.breaker.dueAt > now || (await isProbing(tx, probing, now))) return [];
  for (const row of await held(tx, MOST_TRIED, () => tx.all(LAPSED, [endpoint, now]))) await lanes.free(tx, row, now);
  const isErasing = await erasures.isAny(tx);
  for (let looks = 0; ; looks++) {
    if (looks === MAX_LOOKS) return { jobs: [], isMore: true };
    const [row] = await held(tx, 1, (most) => tx.all(UNTRIED, [endpoint, now, most]));
    if (row === undefined) break;
    if (await mayGo(tx, row, isErasing, now)) return begin(row);
  }
  for (const row of await held(tx, MOST_TRIED, (most) => tx.all(TRIED, [endpoint, now, now, most]))) {
    if (isErasing && (await erasures.covers(tx, row))) await lanes.drop(tx, row, ERASED, now);
    else if (await lanes.leads(tx, row)) return begin(row);
    // More of those behind others than are looked at would hide what may be sent.
    else await lanes.fallBack(tx, row, now);
  }
  return [];

  function begin(row: DeliveryRow): Promise<DeliveryJob[]> {
    endpoints.setProbing(tx, endpoint, row.id);
    return lease(tx, [row], now, leaseFor);
  }
}

/** How an endpoint stands until the transaction ends; null: another relay is just about to judge an answer of it. */
async function whileHeld(tx: Tx, endpoint: string, standing: Standing): Promise<Standing | null> {
  if (tx.relay.isAlone) return standing;
  return (await tx.holdAnswers(endpoint)) ? endpoints.read(tx, endpoint) : null;
}

/** Whether a probe is under way. One whose lease has run out is not known to be. */
async function isProbing(tx: Tx, probing: number | null, now: number): Promise<boolean> {
  const row = probing === null ? undefined : await tx.get(BY_ID, [probing]);
  return row !== undefined && isUnderWay(row) && row.due! > now;
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
  if (tx.claimsFrom(now) > now) return [];
  const jobs: DeliveryJob[] = [];
  for (const [index, { endpoint }] of plan.deliveries.entries()) {
    if (!free.includes(endpoint) || !(await tx.holdEndpoint(endpoint))) continue;
    if (await isSharedNow(tx, endpoint, now)) continue;
    const id = tx.ids.read("evt", eventId) + 1 + index;
    const [row, standing, other, isErasing] = await Promise.all([
      tx.get(BY_ID, [id]),
      endpoints.read(tx, endpoint),
      tx.get(OTHER_DUE, [endpoint, now, id]),
      erasures.isAny(tx),
    ]);
    const isDue = row?.state === "pending" && row.due !== null && row.due <= now;
    const isHeld =
      endpoints.isPaused(standing) || standing.health?.breaker || standing.health?.ramp != null || standing.forward;
    if (!isDue || isHeld || other !== undefined || isErasing) continue;
    jobs.push(...(await lease(tx, [row], now, leaseFor)));
  }
  return jobs;
}

/** When a delivery to this endpoint may be sent; null also while it is paused. */
export async function nextDue(tx: Tx, endpoint: string): Promise<number | null> {
  const [standing, first] = await Promise.all([endpoints.read(tx, endpoint), tx.get(FIRST_DUE, [endpoint])]);
  const due = first?.due ?? null;
  if (endpoints.isPaused(standing) || due === null) return null;
  const { health, probing } = standing;
  const from = tx.claimsFrom(tx.now());
  if (!health?.breaker && standing.forward !== null)
    return Math.max(from, Math.min(tx.now(), standing.forward.closedAt));
  if (!health?.breaker) {
    const own = await pace.read(tx, standing.choice, endpoint, tx.now());
    return Math.max(from, due, pace.from(own));
  }
  const [asked, running] = await Promise.all([
    tx.get(FIRST_ASKED, [endpoint]),
    probing === null ? undefined : tx.get(BY_ID, [probing]),
  ]);
  const lease = running !== undefined && isUnderWay(running) ? running.due! : 0;
  return Math.max(from, health.breaker.dueAt, lease, Math.min(due, asked?.hint ?? due));
}
