import { sql, type Tx } from "../tx.ts";
import type { DeliveryRow, Lane, Opener, Taken } from "./lanes.ts";
import * as lanes from "./lanes.ts";
import { isUnderWay } from "./lanes.ts";

// A newer event of a type in `coalesce` supersedes the deliveries of that type, video and endpoint that wait (CONTRACT,
// "Coalescing").

const SAME = sql<[number, string, string], DeliveryRow>(
  `SELECT * FROM deliveries WHERE video = ? AND endpoint = ? AND type = ? AND settled_at IS NULL AND replay = 0
   ORDER BY event, id`,
);
const BY_ID = sql<[number], DeliveryRow>("SELECT * FROM deliveries WHERE id = ?");
const IS_LATE = sql<[number], unknown>("SELECT 1 FROM annotations WHERE event = ? AND late = 1");

export type Older = {
  rows: DeliveryRow[];
  taken: Taken;
  /** The gate of one of them is open, and why; or when the first of them opens by itself; null: neither. */
  opener: Opener | null;
  gate: number | null;
};

/** What a new delivery of this lane and type supersedes, and takes over from it. */
export async function older(tx: Tx, lane: Pick<Lane, "video" | "endpoint">, type: string): Promise<Older> {
  const rows = (await tx.all(SAME, [lane.video, lane.endpoint, type])).filter((row) => !isUnderWay(row));
  let taken = lanes.NOTHING;
  for (const row of rows) taken = takeFrom(taken, row);
  const open = rows.find(({ state }) => state === "pending");
  const gates = rows.filter(({ state }) => state === "waiting").map(({ due }) => due!);
  return {
    rows,
    taken: takeSchedule(
      taken,
      rows.find(({ failed_by }) => failed_by !== null),
    ),
    opener: open === undefined ? null : (open.opened_by ?? "settled"),
    gate: gates.length > 0 ? Math.min(...gates) : null,
  };
}

/** The waits been through, having stepped aside, and the place in the queue of one that was not tried yet. */
function takeFrom(taken: Taken, old: DeliveryRow): Taken {
  const place = old.state === "pending" ? (old.due ?? old.turn_at) : old.turn_at;
  const isEarlier = old.failed_by === null && place !== null && place < (taken.turn_at ?? Number.POSITIVE_INFINITY);
  return {
    ...taken,
    waited: Math.max(taken.waited, old.waited),
    aside: Math.max(taken.aside, old.aside),
    turn_at: isEarlier ? place : taken.turn_at,
  };
}

/** Of those that failed the first of the lane says when the next attempt is: those behind it only waited for it. */
function takeSchedule(taken: Taken, failed: DeliveryRow | undefined): Taken {
  if (failed === undefined || failed.failed_by === "event") return taken;
  const { scheduled_at, hint, wait, failed_by, tried_at } = failed;
  // A breaker goes by the last attempt in its choice of probes, and finds none of what has failed without it.
  return { ...taken, scheduled_at, hint, wait, failed_by, tried_at, turn_at: failed.due ?? failed.turn_at };
}

/** The gate of a delivery that takes over from older ones: the earliest time at which one of theirs would have opened. */
export function earlierGate(
  own: { gateUntil: number | null; gate: number | null },
  { opener, gate }: Older,
): { gateUntil: number | null; gate: number | null } {
  if (own.gate === null || opener !== null) return { gateUntil: null, gate: null };
  if (gate === null || gate >= own.gate) return own;
  return { gateUntil: gate, gate };
}

/** Ends those that a delivery has superseded. */
export async function supersede(tx: Tx, rows: DeliveryRow[], by: number, now: number): Promise<void> {
  for (const row of rows) await lanes.settle(tx, row, "superseded", row.last_error, now, by);
}

/**
 * The delivery that supersedes one that ran when it came, and has failed: an earlier one of its lane and type that waits,
 * of an event that is not late; null: there is none.
 */
export async function newer(tx: Tx, row: DeliveryRow): Promise<DeliveryRow | null> {
  if (row.replay > 0 || row.type === null) return null;
  for (const one of await tx.all(SAME, [row.video, row.endpoint, row.type])) {
    if (one.event <= row.event || isUnderWay(one)) continue;
    if ((await tx.get(IS_LATE, [one.event])) === undefined) return one;
  }
  return null;
}

/** One that ran when a newer one came has failed: the newer one takes over. */
export async function yieldTo(tx: Tx, by: DeliveryRow, failed: DeliveryRow, now: number): Promise<void> {
  const isShut = by.state === "waiting";
  if (isShut) await lanes.setGate(tx, by, failed.opened_by ?? "settled", now);
  const open = isShut ? (await tx.get(BY_ID, [by.id]))! : by;
  const waits = takeFrom(open, { ...failed, turn_at: null, due: null });
  lanes.take(tx, open, open.failed_by === null ? takeSchedule(waits, failed) : waits);
  await supersede(tx, [failed], by.id, now);
}
