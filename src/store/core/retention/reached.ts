import { RelayError } from "../../../errors.ts";
import * as meta from "../rows/meta.ts";
import type { Tx } from "../tx.ts";

/**
 * How far retention is. `bodies`, `attempts`: the events, and the deliveries, whose ids are not greater were looked at; of
 * those that have to be looked at again there are rows (retained). `gone`: the least and the greatest id of what went whole;
 * null: nothing has. `holder` is at work until `until`, if no other takes over; null: none is. `relay`: which
 * one it is of (Relay.writer).
 */
export type Reached = {
  bodies: number;
  attempts: number;
  gone: [number, number] | null;
  holder: string | null;
  relay?: string;
  until: number;
};

const NAME = "retention";

/** A lease that ends later than this was made by a clock that was wrong. */
const LONGEST_LEASE = 5 * 60_000;

/** Whether another is at it. */
export function isHeld({ holder, until }: Reached, by: string, now: number): boolean {
  return holder !== null && holder !== by && until > now && until <= now + LONGEST_LEASE;
}

export async function read(tx: Tx): Promise<Reached> {
  const start: Reached = { bodies: 0, attempts: 0, gone: null, holder: null, until: 0 };
  return (await meta.readJson<Reached>(tx, NAME)) ?? start;
}

export const write = (tx: Tx, reached: Reached) => meta.writeJson(tx, NAME, reached);

/** Who is at it from now on, until then; a `leaseFor` of 0 ends it. */
export function heldBy(tx: Tx, by: string, leaseFor: number, now: number): Pick<Reached, "holder" | "relay" | "until"> {
  const { relay } = tx;
  if (leaseFor <= 0) return { holder: null, until: 0 };
  return { holder: by, until: now + leaseFor, ...(!relay.isAlone && { relay: relay.writer }) };
}

/** The one of this relay that was at it has ended. */
export async function freeLease(tx: Tx): Promise<void> {
  const { relay } = tx;
  const reached = await read(tx);
  const isOwn = relay.isAlone || reached.relay === relay.writer;
  if (reached.holder !== null && isOwn) write(tx, { ...reached, ...heldBy(tx, "", 0, 0) });
}

/** Notes that the rows of these ids went whole. */
export function noteGone(reached: Reached, ...ids: number[]): void {
  reached.gone = [Math.min(...ids, ...(reached.gone ?? [])), Math.max(...ids, ...(reached.gone ?? []))];
}

/**
 * The error for an id of this store that no row has. Ids grow with time: one among those that went whole was pruned, as far
 * as can be known.
 */
export async function missing(tx: Tx, prefix: "evt" | "dlv", text: string): Promise<RelayError> {
  const { gone } = await read(tx);
  const id = tx.ids.find(prefix, text);
  const noun = prefix === "evt" ? "event" : "delivery";
  if (gone === null || id < gone[0] || id > gone[1]) return new RelayError("not_found", `no ${noun} "${text}"`);
  return new RelayError("body_expired", `the ${noun} ${text} has been pruned: see "retention" in the config`);
}
