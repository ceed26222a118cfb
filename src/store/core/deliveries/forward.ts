import { Buffer } from "node:buffer";
import { ofMany } from "../rows/many.ts";
import * as meta from "../rows/meta.ts";
import { LIMIT } from "../rows/numbers.ts";
import { PER_PIECE } from "../rows/pieces.ts";
import { sql, type Tx } from "../tx.ts";
import type { DeliveryRow } from "./lanes.ts";

/**
 * When a breaker closed, where that has not been written on all deliveries yet: those up to `time`, and of this one up to `id`,
 * have it.
 */
export type Forward = { closedAt: number; by: "turn_at" | "due"; time: number; id: number };
type Waiting = { id: number; video: number; at: number; isPutOff: 0 | 1 };

// What failed because of an endpoint is due once its breaker has closed, though not before it asked for. How far that is goes by
// time: first among those whose turn has not come, which get their due time later, then among all others.

const forwardOf = (endpoint: string) => `forward/${endpoint}`;
const isPutOff = (time: "due" | "turn_at") =>
  `failed_by IN ('shared', 'always') AND ${time} > ? AND hint < ${time} AND coalesce(tried_at, 0) < ?
   AND ${time === "due" ? "state = 'pending'" : "settled_at IS NULL"}`;
const someBy = (time: "due" | "turn_at") =>
  sql<[number, number, string, number, number, number, number], Waiting>(
    `SELECT id, video, ${time} AS at, CASE WHEN ${isPutOff(time)} THEN 1 ELSE 0 END AS "isPutOff" FROM deliveries
     WHERE endpoint = ? AND ${time} >= ? AND (${time} > ? OR id > ?) ${time === "due" ? "" : "AND settled_at IS NULL"}
     ORDER BY ${time}, id LIMIT ?`,
  );
const bringBy = (time: "due" | "turn_at") =>
  ofMany(
    (ids) => `UPDATE deliveries SET ${time} = CASE WHEN hint > ? THEN hint ELSE ? END
      WHERE ${isPutOff(time)} AND id IN (${ids})`,
  );
const BY_TIME = {
  turn_at: { some: someBy("turn_at"), bring: bringBy("turn_at") },
  due: { some: someBy("due"), bring: bringBy("due") },
};
const ALL = sql<[], { name: string; value: Uint8Array }>(
  "SELECT name, value FROM meta WHERE name >= 'forward/' AND name < 'forward0'",
);
// A breaker that closed again meanwhile has begun anew.
const GO_ON = sql<[Uint8Array, string, Uint8Array]>("UPDATE meta SET value = ? WHERE name = ? AND value = ?");
const END = sql<[string, Uint8Array]>("DELETE FROM meta WHERE name = ? AND value = ?");

const written = (forward: Forward) => Buffer.from(JSON.stringify(forward));

export const readForward = (bytes: Uint8Array | null) =>
  bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as Forward);

/** The endpoint works again: what failed because of it is due now. Where that is much, claims bring the rest forward. */
export async function begin(tx: Tx, endpoint: string, now: number): Promise<void> {
  const first: Forward = { closedAt: now, by: "turn_at", time: now, id: LIMIT };
  const { rest } = await bringSome(tx, endpoint, first, LIMIT);
  if (rest === null) meta.remove(tx, forwardOf(endpoint));
  else meta.writeJson(tx, forwardOf(endpoint), rest);
}

/** Brings forward some of what is left. True: there is more, which nothing is in the way of. */
export async function goOn(tx: Tx, endpoint: string, from: Forward): Promise<boolean> {
  // What failed after it had closed waits.
  const { rest, isFurther } = await bringSome(tx, endpoint, from, from.closedAt);
  const [name, before] = [forwardOf(endpoint), written(from)];
  if (rest === null) tx.write(END, [name, before]);
  else tx.write(GO_ON, [written(rest), name, before]);
  return rest !== null && isFurther;
}

/** Of those whose last attempt began before `triedBefore`. What other relays are at is left for the next time. */
async function bringSome(
  tx: Tx,
  endpoint: string,
  from: Forward,
  triedBefore: number,
): Promise<{ rest: Forward | null; isFurther: boolean }> {
  const { closedAt } = from;
  let [rest, left, isFurther] = [from, PER_PIECE, false];
  while (left > 0) {
    const { some, bring } = BY_TIME[rest.by];
    const { time, id } = rest;
    const found = await tx.all(some, [closedAt, triedBefore, endpoint, time, time, id, left]);
    const putOff = found.filter((row) => row.isPutOff === 1);
    const held = putOff.length === 0 ? null : await tx.hold(putOff.map(({ video }) => video));
    const isBusy = ({ video }: Waiting) => held?.has(video) === false;
    const free = putOff.filter((row) => !isBusy(row));
    const ids = free.map((row) => row.id);
    bring.write(tx, ids, [closedAt, closedAt, closedAt, triedBefore]);
    const busyAt = found.findIndex((row) => row.isPutOff === 1 && isBusy(row));
    const last = busyAt < 0 ? found.at(-1) : found[busyAt - 1];
    if (last !== undefined) rest = { ...rest, time: last.at, id: last.id };
    isFurther ||= ids.length > 0 || last !== undefined;
    if (busyAt >= 0) break;
    if (found.length === left) break;
    if (rest.by === "due") return { rest: null, isFurther };
    rest = { closedAt, by: "due", time: closedAt, id: LIMIT };
    left -= found.length;
  }
  return { rest, isFurther };
}

/** When one is due that may not have been brought forward yet. */
export function dueOf(row: DeliveryRow, forward: Forward | null): number | null {
  const due = row.due ?? row.turn_at;
  const isPutOff = row.state === "pending" && row.failed_by !== null && row.failed_by !== "event";
  if (forward === null || due === null || !isPutOff || (row.tried_at ?? 0) >= forward.closedAt) return due;
  return Math.min(due, Math.max(row.hint, forward.closedAt));
}

/** The clock went back by so much. */
export async function moveBack(tx: Tx, by: number): Promise<void> {
  for (const { name, value } of await tx.all(ALL, [])) {
    const forward = readForward(value)!;
    meta.writeJson(tx, name, { ...forward, closedAt: forward.closedAt - by, time: forward.time - by });
  }
}
