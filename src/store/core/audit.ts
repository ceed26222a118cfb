import type { Actor, AuditEntry, Deed, DeedVerb } from "../../model/audit.ts";
import type { RunVerb, TaskVerb } from "../../model/task.ts";
import type { AuditedCall, AuditedVerb, AuditVerbs } from "../access/audit.ts";
import type { Work } from "../verbs.ts";
import { page } from "./rows/paging.ts";
import * as tasks from "./tasks/rows.ts";
import { apart, insert, type Job, job, type Tx } from "./tx.ts";

// Who did what, as rows: they are only ever added.

type Row = Deed & { id: number; at: number; through: Actor["through"]; actor: string };

const add = insert("audit", ["id", "at", "through", "actor", "verb", "subject", "count", "outcome"]);

/** What a task is called once its count is confirmed. */
const OF_TASKS: Record<TaskVerb | RunVerb, DeedVerb> = {
  verify: "media verify",
  move: "media move",
  backup: "backup",
  prune: "prune",
  verifyArchive: "archive verify",
  restoreArchive: "archive restore",
  retry: "deliveries retry",
  cancel: "deliveries cancel",
  replay: "events replay",
  reprocess: "quarantine reprocess",
};

// biome-ignore lint/suspicious/noExplicitAny: a call has the arguments of its verb
type AnyWork = Work<any[], any>;

export type AuditedWorks = { [Verb in AuditedVerb]: AnyWork };

/** A call, and its entry in the audit; `at`: the time that it is entered with, where that is not now. */
export function acting(rules: AuditedWorks, actor: Actor, { verb, args }: AuditedCall, at?: number): Job<unknown> {
  const work = rules[verb];
  const job = typeof work === "function" ? work(...args) : work.run(...args);
  return {
    ...job,
    async run(tx, row) {
      const result = await job.run(tx, row);
      await enterCall(tx, actor, { verb, args } as AuditedCall, result, at);
      return result;
    },
  };
}

/** What the verbs of the audit do; `rules`: what the audited verbs do. */
export const auditWorks = (rules: AuditedWorks) => ({
  act: (actor: Actor, call: AuditedCall) => acting(rules, actor, call),
  noteDeed: (actor: Actor, deed: Deed) => apart("audit", async (tx) => enter(tx, actor, deed)),
  audit: (wish: Parameters<AuditVerbs["audit"]>[0]) => job((tx) => list(tx, wish)),
});

export function enter(tx: Tx, { through, by }: Actor, deed: Deed, at = tx.now()): void {
  add(tx, { id: tx.ids.next(), at, through, actor: by, ...deed });
}

/** Enters a call that has been done. */
async function enterCall(tx: Tx, actor: Actor, call: AuditedCall, result: unknown, at?: number): Promise<void> {
  const deed = deedOf(call);
  if (call.verb === "createRun") return enter(tx, actor, { ...deed, subject: (result as { id: string }).id }, at);
  if (call.verb !== "confirmTask") return enter(tx, actor, deed, at);
  const { verb } = await tasks.show(tx, call.args[0]);
  enter(tx, actor, { ...deed, verb: OF_TASKS[verb] }, at);
}

/** What a call is in the words of the commands, when it is done. */
export function deedOf(call: AuditedCall): Deed {
  const deed = (verb: DeedVerb, subject: string | null, count: number | null = null): Deed => ({
    ...{ verb, subject, count, outcome: "done" },
  });
  switch (call.verb) {
    case "replay":
      return deed("events replay", `${call.args[0]} to ${call.args[1].endpoint}`);
    case "retryDelivery":
      return deed("deliveries retry", call.args[0]);
    case "cancelDelivery":
      return deed("deliveries cancel", call.args[0]);
    case "pauseEndpoint":
      return deed("endpoints pause", call.args[0]);
    case "resumeEndpoint":
      return deed("endpoints resume", call.args[0]);
    case "importContexts":
      return deed("contexts import", null, call.args[0].length);
    case "retryMedium":
      return deed("media retry", call.args[0]);
    case "mendMedium":
      return deed("media mend", call.args[0]);
    case "dropQuarantined":
      return deed("quarantine reprocess", call.args[0]);
    case "rotateLinkSecret": {
      const [{ keep }, now] = call.args;
      const ends = keep === 0 ? "at once" : `at ${new Date(now + keep).toISOString()}`;
      return deed("media links rotate", `earlier links end ${ends}`);
    }
    case "confirmTask":
      return deed("tasks create", call.args[0], call.args[1]);
    case "createRun":
      return deed(OF_TASKS[call.args[0].verb], null, call.args[0].total);
    case "cancelTask":
      return deed("tasks cancel", call.args[0]);
    case "silenceAlarm":
      return deed("alerts silence", call.args[0]);
    case "endSilence":
      return deed("alerts silence --end", call.args[0]);
  }
}

export async function list(tx: Tx, wish: Parameters<AuditVerbs["audit"]>[0]): Promise<AuditEntry[]> {
  const list = page<Row>(tx, "a.* FROM audit a", "a.id", "aud", wish);
  if (wish.verb !== undefined) list.where("a.verb = ?", wish.verb);
  if (wish.by !== undefined) list.where("a.actor = ?", wish.by);
  return (await list.all()).map(({ id, actor, ...row }) => ({ id: tx.ids.show("aud", id), by: actor, ...row }));
}
