import { errorLine, RelayError } from "../../errors.ts";
import type { Actor, Deed } from "../../model/audit.ts";
import { deedOf } from "../core/audit.ts";
import type { Store } from "../store.ts";
import type { AuditedCall, AuditedVerb, AuditedVerbs } from "./audit.ts";

/** Each audited verb: one that is missing, or is called in another way, does not compile. */
const AUDITED: {
  [Verb in AuditedVerb]: Parameters<Store[Verb]> extends AuditedVerbs[Verb] ? true : never;
} = {
  replay: true,
  retryDelivery: true,
  cancelDelivery: true,
  pauseEndpoint: true,
  resumeEndpoint: true,
  importContexts: true,
  retryMedium: true,
  mendMedium: true,
  dropQuarantined: true,
  rotateLinkSecret: true,
  confirmTask: true,
  createRun: true,
  cancelTask: true,
  silenceAlarm: true,
  endSilence: true,
};

/**
 * The same store, as someone uses it whose changes are audited: each is entered in the transaction that makes it, and one that
 * its state forbids with its error. What names nothing that is there is not entered.
 */
export function auditedStore(store: Store, actor: Actor): Store {
  /** Enters what its state forbids. */
  async function entered<T>(deed: Deed, work: Promise<T>): Promise<T> {
    return work.catch(async (error) => {
      if (error instanceof RelayError && error.code === "conflict") {
        await store.noteDeed(actor, { ...deed, outcome: errorLine(error) }).catch(() => {});
      }
      throw error;
    });
  }
  const acting = Object.keys(AUDITED).map((name) => {
    const verb = name as AuditedVerb;
    const act = async (...args: unknown[]) => {
      const call = { verb, args } as AuditedCall;
      return entered(deedOf(call), store.act(actor, call));
    };
    return [verb, act];
  });
  return {
    ...store,
    ...Object.fromEntries(acting),
    // It takes several transactions, of which the last one enters it.
    forgetVideo: (videoId, now) =>
      entered(
        { verb: "videos forget", subject: videoId, count: null, outcome: "" },
        store.forgetVideo(videoId, now, actor),
      ),
  };
}
