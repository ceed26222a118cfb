import { RelayError } from "../../../errors.ts";
import type { Job } from "../../../model/job.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import { bodyGone } from "../archive/hint.ts";
import * as reaches from "../retention/reached.ts";
import * as retained from "../retention/retained.ts";
import { Outdated, sql, type Tx } from "../tx.ts";
import * as endpoints from "./endpoints.ts";
import * as gates from "./gates.ts";
import * as lanes from "./lanes.ts";
import { type DeliveryRow, isUnderWay } from "./lanes.ts";

// Leases of deliveries, and what operators do with them.

const BY_ID = sql<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
const HAS_BODY = sql<[number], unknown>("SELECT 1 FROM events WHERE id = ? AND body IS NOT NULL");
const RENEW = sql<[number, number, number]>(
  "UPDATE deliveries SET due = ? WHERE id = ? AND claims = ? AND state IN ('running', 'canceling')",
);
const BRING_FORWARD = sql<[number, number, number, number, number, number]>(
  `UPDATE deliveries SET due = due - ?, gate_until = gate_until - ?, turn_at = turn_at - ?, scheduled_at = scheduled_at - ?,
     hint = hint - ?, tried_at = tried_at - ? WHERE settled_at IS NULL`,
);
const NEVER_DUE = sql<[number, number, number]>(
  `UPDATE deliveries SET due = ?, gate_until = CASE WHEN gate_until > ? THEN ? ELSE gate_until END, scheduled_at = NULL,
     turn_at = NULL, hint = 0 WHERE due >= ${LATEST_TIME} AND settled_at IS NULL`,
);
const NEVER_TURN = sql<[]>(
  `UPDATE deliveries SET scheduled_at = NULL, turn_at = NULL, hint = 0
   WHERE turn_at >= ${LATEST_TIME} AND settled_at IS NULL`,
);

export async function rowOf(tx: Tx, id: string): Promise<DeliveryRow> {
  const row = await tx.get(BY_ID, [tx.ids.read("dlv", id)]);
  if (!row) throw await reaches.missing(tx, "dlv", id);
  return row;
}

/** The same, to be changed: claims of one that is about no video are held up by nothing of it. */
async function heldRow(tx: Tx, id: string): Promise<DeliveryRow> {
  const row = await rowOf(tx, id);
  if (row.video !== lanes.NO_VIDEO || tx.relay.isAlone) return row;
  if (!(await tx.holdEndpoint(row.endpoint))) throw new Outdated(`claims of ${row.endpoint}`);
  return rowOf(tx, id);
}

/** A lease that ends now is given back: no attempt is under way any longer. */
export async function renew(tx: Tx, job: Job, leaseFor: number, now: number): Promise<boolean> {
  const id = tx.ids.find("dlv", job.id);
  const isOurs = (await tx.changed(RENEW, [now + leaseFor, id, tx.ids.claimed(job.claim)])) === 1;
  if (isOurs && leaseFor <= 0) await lanes.free(tx, (await tx.get(BY_ID, [id]))!, now);
  return isOurs;
}

export async function freeLeases(tx: Tx, now: number): Promise<number> {
  // In no order, so that the index of only these is used.
  const own = sql<[], DeliveryRow>(
    `SELECT * FROM deliveries WHERE state IN ('running', 'canceling') AND ${tx.relay.isOwn}`,
  );
  const rows = (await tx.all(own, [])).sort((a, b) => a.id - b.id);
  for (const row of rows) await lanes.free(tx, row, now);
  return rows.length;
}

/** The clock went back by so much: what was to come stays as far away as it was. */
export async function bringForward(tx: Tx, by: number): Promise<void> {
  tx.write(BRING_FORWARD, [by, by, by, by, by, by]);
  await endpoints.bringForward(tx, by);
}

/** What a clock that was wrong put off for ever is due now. */
export async function mendDue(tx: Tx, now: number): Promise<void> {
  tx.write(NEVER_DUE, [now, now, now]);
  tx.write(NEVER_TURN, []);
  await endpoints.mendDue(tx, now);
}

export async function retry(tx: Tx, id: string, now: number): Promise<void> {
  const row = await heldRow(tx, id);
  if (row.state === "delivered") throw new RelayError("conflict", `${id} is delivered; "events replay" sends it again`);
  if (row.state === "superseded")
    throw new RelayError("conflict", `${id} is superseded by ${tx.ids.show("dlv", row.superseded_by!)}`);
  if (isUnderWay(row)) throw new RelayError("conflict", `${id} is being attempted right now`);
  if ((await tx.get(HAS_BODY, [row.event])) === undefined)
    throw await bodyGone(tx, row.event, { whichOf: `, which ${id} is of,` });
  // Its attempts were looked at, and there will be more.
  if (row.id <= (await reaches.read(tx)).attempts) retained.keep(tx, "attempts", now, row.id);
  await lanes.restart(tx, row, await gates.shutUntil(tx, row, now), now);
}

/** By its name, by an operator who thinks that it can be sent now: its endpoint is asked at once. */
export async function retryOne(tx: Tx, id: string, now: number): Promise<void> {
  await retry(tx, id, now);
  await endpoints.probeNow(tx, (await rowOf(tx, id)).endpoint);
}

export async function cancel(tx: Tx, id: string, now: number): Promise<void> {
  const row = await heldRow(tx, id);
  if (row.settled_at !== null) throw new RelayError("conflict", `${id} is ${row.state} already`);
  await lanes.cancel(tx, row, "canceled by the operator", now);
}
