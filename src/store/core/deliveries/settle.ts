import { Buffer } from "node:buffer";
import type { DeliveryOutcome, DeliverySettled } from "../../../model/delivery.ts";
import type { Job } from "../../../model/job.ts";
import { type AnswerKind, kindOf } from "../../../rules/endpoint-health.ts";
import { GONE } from "../../../rules/gone.ts";
import * as audit from "../audit.ts";
import * as erasures from "../events/erasures.ts";
import * as meta from "../rows/meta.ts";
import { insert, sql, type Tx } from "../tx.ts";
import * as coalescing from "./coalescing.ts";
import * as endpoints from "./endpoints.ts";
import * as forward from "./forward.ts";
import * as lanes from "./lanes.ts";
import { type DeliveryRow, isUnderWay } from "./lanes.ts";
import * as notices from "./notices.ts";
import { explain, heldBy } from "./waits.ts";

// What comes of an attempt (CONTRACT, "How deliveries go").

const BY_ITSELF = { through: "relay", by: "answers 410" } as const;

const BY_ID = sql<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
// What the end of an attempt asks for where nothing is wrong, as one statement: each further one costs as much. Whether other
// deliveries of its lane have not ended, whether one has stepped aside there, and whether its video is being erased.
const ATTEMPTED = sql<[number], Attempted>(
  `SELECT d.*, ${endpoints.KNOWN},
     (SELECT 1 FROM deliveries o WHERE o.video = d.video AND o.endpoint = d.endpoint AND o.settled_at IS NULL
       AND o.id <> d.id LIMIT 1) AS has_others,
     (SELECT 1 FROM meta WHERE name = ${lanes.HASTE_OF_D}) AS is_hasty, ${erasures.IS_ERASING} AS is_erasing
   FROM deliveries d LEFT JOIN endpoints p ON p.id = d.endpoint WHERE d.id = ?`,
  ["int8"],
);
type Attempted = DeliveryRow & endpoints.Known & Record<"has_others" | "is_hasty" | "is_erasing", 1 | null>;
const IS_BODILESS = sql<[number], unknown>("SELECT 1 FROM events WHERE id = ? AND body IS NULL");
const logAttempt = insert("attempts", [
  ...(["delivery", "n", "started_at", "duration", "status", "error", "response", "retry_after", "probe"] as const),
  ...(["bytes", "sha256"] as const),
]);
const DELIVERED_REPLAY = sql<[number, string], { id: number }>(
  `SELECT id FROM deliveries WHERE event = ? AND endpoint = ? AND replay > 0 AND state = 'delivered' ORDER BY id LIMIT 1`,
);
const DEAD = sql<[number, string], { id: number }>(
  "SELECT id FROM deliveries WHERE event = ? AND endpoint = ? AND state = 'dead'",
);
// What nothing asks for from then on leaves its room to other rows.
const DELIVER = sql<[number, number]>(
  `UPDATE deliveries SET state = 'delivered', settled_at = ?, due = NULL, last_error = NULL, attempts = attempts + 1,
     type = NULL, tried_at = NULL, scheduled_at = NULL, failed_by = NULL, generation = ${lanes.LAST_TASK} WHERE id = ?`,
);
const SUPERSEDE = sql<[number, number]>(
  `UPDATE deliveries SET state = 'superseded', superseded_by = ?, generation = ${lanes.LAST_TASK} WHERE id = ?`,
);

const CLOSED = "it takes deliveries again";

const DELIVERED = { state: "delivered", due: null, turn_at: null } as const;

const LOST: DeliverySettled = {
  settled: false,
  isProbe: false,
  state: "pending",
  nextAttemptAt: null,
  waitsFor: null,
  paused: false,
  breaker: null,
  feeds: [],
};

export async function settle(tx: Tx, job: Job, outcome: DeliveryOutcome, now: number): Promise<DeliverySettled> {
  const row = await tx.get(ATTEMPTED, [tx.ids.find("dlv", job.id)]);
  // A late worker, whose lease went to another claim, settles nothing.
  const isOurs = row !== undefined && isUnderWay(row) && row.claims === tx.ids.claimed(job.claim);
  if (!isOurs) return LOST;
  const { status, error } = outcome.attempt;
  const kind = kindOf({ status, failure: outcome.failure, abort: outcome.isLast });
  const standing = endpoints.standingOf(tx, row.endpoint, row);
  const options = standing.choice ?? endpoints.formerChoice(tx, row.endpoint);
  const wasErased = row.state === "canceling" && (await tx.get(IS_BODILESS, [row.event])) !== undefined;
  const isProbe = standing.probing === row.id;
  log(tx, row, outcome, { isProbe, wasErased });
  tx.tally("attempts", row.endpoint, { isOk: kind === "success", ms: outcome.attempt.duration });
  const { counted, change, pauses } = await endpoints.judge(
    tx,
    row,
    standing,
    { kind, status, retryAfter: outcome.retryAfter, error: error ?? "" },
    { now, concurrency: options?.concurrency ?? 1 },
  );
  const fed: string[] = [];
  if (kind === "success") await delivered(tx, row, now);
  else if (row.state === "canceling") await lanes.settle(tx, row, "canceled", row.last_error, now);
  else {
    const isFree = isFreeOf(row, { kind, counted, isProbe });
    fed.push(...(await fail(tx, row, outcome, { kind, isFree, options }, now)));
  }
  const isErased = wasErased || (row.is_erasing && (await erasures.covers(tx, row)));
  if (kind === "success" && outcome.pending.length > 0 && !isErased) await notices.owe(tx, row, outcome.pending, now);
  if (change === "closed") await forward.begin(tx, row.endpoint, now);
  if (change !== null) fed.push(...(await notices.tellOfEndpoint(tx, row.endpoint, change, error ?? CLOSED, now)));
  if (pauses) {
    fed.push(...(await notices.tellOfEndpoint(tx, row.endpoint, "paused", GONE, now)));
    audit.enter(tx, BY_ITSELF, { verb: "endpoints pause", subject: row.endpoint, count: null, outcome: "done" });
  }
  const present = kind === "success" ? null : (await tx.get(BY_ID, [row.id]))!;
  const { state, due, turn_at } = present ?? DELIVERED;
  const isHeld = due === null || change === "opened" || pauses || isHeldUp(standing);
  return {
    settled: true,
    isProbe,
    state: state as DeliverySettled["state"],
    nextAttemptAt: state === "pending" ? (due ?? turn_at) : null,
    waitsFor:
      present?.settled_at === null && isHeld ? await explain(tx, present, await heldBy(tx, row.endpoint)) : null,
    paused: pauses,
    breaker: change,
    feeds: [...new Set(fed)],
  };
}

/** More than its schedule keeps what has failed from being sent. */
function isHeldUp(standing: endpoints.Standing): boolean {
  return endpoints.isPaused(standing) || standing.choice === null || standing.health?.breaker != null;
}

/**
 * An attempt before the time that the schedule names spends nothing of it, nor does a probe; but a probe of the one video
 * that fails alone may be sent into the very poison: it spends.
 */
function isFreeOf(
  { tried_at, scheduled_at }: DeliveryRow,
  { kind, counted, isProbe }: { kind: AnswerKind; counted: boolean; isProbe: boolean },
): boolean {
  const isEarly = (tried_at ?? 0) < (scheduled_at ?? 0);
  const isLone = kind === "shared" && !counted;
  const speaksOfEndpoint = kind === "shared" || kind === "always";
  return isEarly || (isProbe && speaksOfEndpoint && !isLone);
}

function log(
  tx: Tx,
  row: DeliveryRow,
  { attempt, retryAfter }: DeliveryOutcome,
  { isProbe, wasErased }: { isProbe: boolean; wasErased: boolean },
): void {
  const { startedAt, duration, status, error, response, bytes, sha256 } = attempt;
  // Of a video that was erased while it ran: what the endpoint answered is not kept.
  const sent = sha256 === null ? null : Buffer.from(sha256, "hex");
  const kept = wasErased ? { error: null, response: null, sha256: null } : { error, response, sha256: sent };
  logAttempt(tx, {
    ...{ delivery: row.id, n: row.claims, started_at: startedAt, duration, status, ...kept },
    ...{ retry_after: retryAfter > 0 ? retryAfter : null, probe: isProbe ? 1 : 0, bytes },
  });
}

async function delivered(tx: Tx, row: Attempted, now: number): Promise<void> {
  tx.write(DELIVER, [now, row.id]);
  tx.tally("deliveries", row.endpoint, { isOk: true });
  if (row.ordered === 1 && row.is_hasty) meta.remove(tx, lanes.hasteOf(row));
  if (row.has_others) await lanes.moveOn(tx, row, now);
  if (row.replay === 0) return;
  // A replay takes the place of the dead ones of its event: what stays dead still needs an operator.
  for (const dead of await tx.all(DEAD, [row.event, row.endpoint])) tx.write(SUPERSEDE, [row.id, dead.id]);
}

/** Returns the endpoints that have work by it. */
async function fail(
  tx: Tx,
  row: DeliveryRow,
  outcome: DeliveryOutcome,
  { kind, isFree, options }: { kind: AnswerKind; isFree: boolean; options: endpoints.Standing["choice"] },
  now: number,
): Promise<string[]> {
  const { attempt, isLast, retryAfter, spread } = outcome;
  const error = attempt.error ?? "failed";
  if (isLast || kind === "success") return die(tx, row, error, now);
  const yields = options?.coalesce.includes(row.type ?? "") === true;
  const newer = yields ? await coalescing.newer(tx, row) : null;
  // Of an endpoint that no config has had since the start nothing is known: it is held anyway.
  const { retry, laneHold } = options ?? { retry: [0], laneHold: Number.MAX_SAFE_INTEGER };
  const isSpared = isFree || options === null;
  const by = kind === "none" ? ("event" as const) : kind;
  const failed = { error, by, retryAfter, isFree: isSpared, retry, laneHold, spread };
  if ((await lanes.retry(tx, row, failed, now)) === null) return die(tx, row, error, now);
  if (newer !== null) await coalescing.yieldTo(tx, newer, (await tx.get(BY_ID, [row.id]))!, now);
  return [];
}

async function die(tx: Tx, row: DeliveryRow, error: string, now: number): Promise<string[]> {
  const replay = await tx.get(DELIVERED_REPLAY, [row.event, row.endpoint]);
  if (replay) {
    await lanes.settle(tx, row, "superseded", error, now, replay.id);
    return [];
  }
  await lanes.settle(tx, row, "dead", error, now);
  return notices.tellDead(tx, row, error, now);
}
