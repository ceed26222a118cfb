import { codeOf, RelayError } from "../../../errors.ts";
import type { Actor, Deed } from "../../../model/audit.ts";
import type { AuditedCall } from "../../access/audit.ts";
import { type AuditedWorks, acting, deedOf, enter } from "../../core/audit.ts";
import type { DeliveryRow } from "../../core/deliveries/lanes.ts";
import * as lanes from "../../core/deliveries/lanes.ts";
import { PER_MS } from "../../core/rows/numbers.ts";
import { about, apart, type Job, sql, type Tx } from "../../core/tx.ts";

// What operators have decided, and were answered that it is done: a failover may lose it, and it is done again. Whether it is
// there is seen by its entry in the audit, which was committed with it.

/** A delivery, by its event's name and id, and its endpoint. */
type DeliveryOf = { name: string; event: number; endpoint: string };

/** The erasure of a video, with the time that it was asked for. */
type Forgetting = { verb: "forgetVideo"; args: [videoId: string, now: number] };

export type Decision = {
  actor: Actor;
  call: AuditedCall | Forgetting;
  deed: Deed;
  /** What a call about a delivery was about. */
  of: DeliveryOf | null;
  /** By the database's time: its entry in the audit was made in between. */
  asked: number;
  answered: number;
  /** When it was answered, or done again, by the clock's `elapsed`. */
  at: number;
};

/** A task is more than the call that begins it. */
const NEVER = new Set<Decision["call"]["verb"]>(["confirmTask", "createRun"]);

export const isForgetting = ({ call }: Decision) => call.verb === "forgetVideo";

export const nameOf = ({ deed: { verb, subject } }: Decision) => (subject === null ? verb : `${verb} ${subject}`);

type Made = { result: unknown } & Pick<Decision, "deed" | "of">;

const EVENT_OF = sql<[number], { event: number; endpoint: string }>(
  "SELECT event, endpoint FROM deliveries WHERE id = ?",
);
// Ids are times.
const ENTERED = sql<[number, string, string | null, number, number], unknown>(
  `SELECT 1 FROM audit WHERE id >= ? AND actor = ? AND subject IS NOT DISTINCT FROM ? AND at BETWEEN ? AND ?
     AND outcome = 'done' LIMIT 1`,
);
const LATER = sql<[number, string, string, number], unknown>(
  `SELECT 1 FROM audit WHERE id >= ? AND subject = ? AND split_part(verb, ' ', 1) = ? AND at > ? AND outcome = 'done'
   LIMIT 1`,
);
const UNSETTLED = sql<[number, string], DeliveryRow>(
  `SELECT d.* FROM events e JOIN deliveries d ON d.video = e.video AND d.event = e.id
   WHERE e.id = ? AND d.endpoint = ? AND d.settled_at IS NULL ORDER BY d.id`,
);
const MARK_FORGOTTEN = sql<[number, string, number, number, number]>(
  `INSERT INTO videos (id, video_id, state, first_seen, last_event_at, sequence, forgotten_at)
     VALUES (?, ?, 'deleted', ?, ?, 0, ?)
   ON CONFLICT (video_id) DO UPDATE SET forgotten_at = greatest(videos.forgotten_at, excluded.forgotten_at)`,
);

/** A call, as it is done for an operator. */
export function deciding(rules: AuditedWorks, actor: Actor, call: AuditedCall): Job<Made> {
  const job = acting(rules, actor, call);
  return {
    ...job,
    async run(tx, row) {
      const of = call.verb === "cancelDelivery" ? await deliveryOf(tx, call.args[0]) : null;
      const result = await job.run(tx, row);
      const deed = deedOf(call);
      return {
        result,
        of,
        deed: call.verb === "createRun" ? { ...deed, subject: (result as { id: string }).id } : deed,
      };
    },
  };
}

async function deliveryOf(tx: Tx, id: string): Promise<DeliveryOf | null> {
  const row = await tx.get(EVENT_OF, [tx.ids.find("dlv", id)]);
  return row === undefined ? null : { ...row, name: tx.ids.show("evt", row.event) };
}

/** Of each, whether it is there. */
export const areThere = (some: Decision[]): Job<boolean[]> =>
  apart("audit", async (tx) => Promise.all(some.map((one) => isEntered(tx, one))));

/** It is there by now: another relay may have remembered it, too. */
async function isEntered(tx: Tx, { actor, deed, asked, answered }: Decision): Promise<boolean> {
  return (await tx.get(ENTERED, [asked * PER_MS, actor.by, deed.subject, asked, answered])) !== undefined;
}

/** A later decision about the same holds. */
async function isOver(tx: Tx, { deed: { verb, subject }, answered }: Decision): Promise<boolean> {
  if (subject === null) return false;
  return (await tx.get(LATER, [answered * PER_MS, subject, verb.split(" ")[0]!, answered])) !== undefined;
}

/**
 * Does it again, and enters it with the time of before; false: there is no need to. RelayError("not_found"): what it is about is
 * not there, or not yet.
 */
export function again(rules: AuditedWorks, decision: Decision): Job<boolean> {
  const call = decision.call as AuditedCall;
  const { actor, of, answered } = decision;
  if (NEVER.has(call.verb)) throw new RelayError("conflict", "it was a task: begin another one");
  const job = acting(rules, actor, call, answered);
  return {
    ...job,
    async run(tx, row) {
      if ((await isEntered(tx, decision)) || (await isOver(tx, decision))) return false;
      const event = of === null ? 0 : tx.ids.find("evt", of.name);
      // Its event was stored again, with another delivery.
      if (of !== null && event !== of.event && event !== 0) await cancelOf(tx, event, decision);
      else await job.run(tx, row);
      return true;
    },
  };
}

async function cancelOf(tx: Tx, event: number, { actor, deed, of, answered }: Decision): Promise<void> {
  for (const row of await tx.all(UNSETTLED, [event, of!.endpoint])) {
    await lanes.cancel(tx, row, "canceled by the operator", tx.now());
  }
  enter(tx, actor, deed, answered);
}

/**
 * Erases a video again, up to what had been received by then. From the note on no relay stores it again; `forget` erases what is
 * there.
 */
export async function forgetAgain(
  { write, forget }: { write<T>(job: Job<T>): Promise<T>; forget(videoId: string, now: number): Promise<unknown> },
  decision: Decision,
): Promise<boolean> {
  const [videoId, now] = (decision.call as Forgetting).args;
  const isNeeded = async (tx: Tx) => {
    if ((await isEntered(tx, decision)) || (await isOver(tx, decision))) return false;
    tx.write(MARK_FORGOTTEN, [tx.ids.next(), videoId, now, now, now]);
    return true;
  };
  if (!(await write(about(videoId, isNeeded)))) return false;
  try {
    await forget(videoId, now);
  } catch (error) {
    // Nothing of it is there.
    if (!/^(not_found|conflict)$/.test(codeOf(error) ?? "")) throw error;
  }
  const note = async (tx: Tx) => {
    if (!(await isEntered(tx, decision))) enter(tx, decision.actor, decision.deed, decision.answered);
  };
  await write(apart("audit", note));
  return true;
}
