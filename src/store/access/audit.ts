import type { Actor, AuditEntry, Deed } from "../../model/audit.ts";
import type { NewRun } from "../tasks.ts";

/** The verbs that change something for a person, and are audited, with their arguments (`StoreVerbs`). */
export type AuditedVerbs = {
  replay: [eventId: string, to: { endpoint: string; ordered: boolean; newId: boolean }, now: number];
  retryDelivery: [id: string, now: number];
  cancelDelivery: [id: string, now: number];
  pauseEndpoint: [endpoint: string, reason: string, now: number];
  resumeEndpoint: [endpoint: string];
  importContexts: [rows: { videoId: string; context: string }[], how: { override: boolean }, now: number];
  retryMedium: [id: string, now: number];
  mendMedium: [id: string, now: number];
  dropQuarantined: [id: string, event?: string];
  rotateLinkSecret: [rotation: { secret: Uint8Array; keep: number }, now: number];
  confirmTask: [id: string, total: number];
  createRun: [run: NewRun, now: number];
  cancelTask: [id: string, why: string, now: number];
  silenceAlarm: [name: string, how: { until: number; reason: string | null }, now: number];
  endSilence: [name: string, now: number];
};
export type AuditedVerb = keyof AuditedVerbs;

/** A call of one of them. */
export type AuditedCall = { [Verb in AuditedVerb]: { verb: Verb; args: AuditedVerbs[Verb] } }[AuditedVerb];

export type AuditVerbs = {
  /** Calls a verb, and enters it in the audit, in one transaction. Resolves and rejects as the verb does. */
  act(actor: Actor, call: AuditedCall): Promise<unknown>;
  /** Enters what was done otherwise, or could not be done. */
  noteDeed(actor: Actor, deed: Deed): Promise<void>;
  /** The newest first; `before` is an id. */
  audit(page: {
    limit: number;
    before?: string;
    since?: number;
    until?: number;
    verb?: string | undefined;
    by?: string | undefined;
  }): Promise<AuditEntry[]>;
};
