import type { Config } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { DeliveryJob, PlannedDelivery } from "../model/delivery.ts";
import type { ProviderEvent } from "../model/event.ts";
import { LEASE } from "../model/job.ts";
import type { Plan } from "../model/plan.ts";
import { planEvent } from "../rules/plan.ts";
import type { Accepted, Store } from "../store/store.ts";
import { parseEvent } from "../wochit/event.ts";
import { decodeByLook } from "./decode.ts";

export type Accept = (
  body: Uint8Array,
  sourceAddress: string,
  receivedAt: number,
  /** `late`: the bytes come from quarantine. */
  how?: { late: boolean },
) => Promise<Accepted & { event: ProviderEvent }>;

/** Limits of unpacking a quarantined body: bytes, and layers of encoding. */
const MAX_UNPACKED = 16 * 2 ** 20;
const MAX_LAYERS = 3;

/** Slots of endpoints that are held for deliveries of an event on its way in. `use`: by these; the others are free again. */
export type HeldSlots = { endpoints: string[]; use(leased: DeliveryJob[]): void };

/** Who works on what comes in. */
export type Workers = {
  /** Holds a slot of each of these endpoints that has one free and nothing else to do. */
  hold(endpoints: string[]): HeldSlots;
  /** Something was committed of which these endpoints were not given a delivery yet. */
  wake(plan: Plan, leased: DeliveryJob[]): void;
};

/**
 * Takes an event, from the route or from quarantine: parses the bytes, plans what follows, commits all of it. Rejects with
 * RelayError "invalid_json" or "invalid_event" (nothing was stored) or "store_unavailable".
 */
export function createAccept({ store, config, workers }: { store: Store; config: Config; workers?: Workers }): Accept {
  return async (body, sourceAddress, receivedAt, { late } = { late: false }) => {
    const event = parseEvent(body);
    const plan = planEvent(event, receivedAt, config);
    const { dedupeWindow } = config.receive;
    const acceptance = { receivedAt, sourceAddress, body, event, plan, dedupeWindow, late };
    const held = workers?.hold(plan.deliveries.filter(isUngated).map(({ endpoint }) => endpoint));
    const lease = held && held.endpoints.length > 0 ? { endpoints: held.endpoints, leaseFor: LEASE } : undefined;
    let leased: DeliveryJob[] = [];
    try {
      const accepted = await store.accept({ ...acceptance, ...(lease && { lease }) });
      leased = accepted.leased;
      workers?.wake(plan, leased);
      return { ...accepted, event };
    } finally {
      held?.use(leased);
    }
  };
}

const isUngated = ({ gateUntil }: PlannedDelivery) => gateUntil === null;

/**
 * The same for bodies from quarantine, which are kept without their headers: one that is no JSON may be compressed, or
 * UTF-16.
 */
export function createAcceptKept(options: { store: Store; config: Config }): Accept {
  const accept = createAccept(options);
  return async (body, sourceAddress, receivedAt, how) => {
    let bytes = body;
    for (let layer = 0; ; layer++) {
      try {
        return await accept(bytes, sourceAddress, receivedAt, how);
      } catch (error) {
        const isNoJson = error instanceof RelayError && error.code === "invalid_json";
        const decoded = isNoJson && layer < MAX_LAYERS ? await decodeByLook(bytes, MAX_UNPACKED) : null;
        if (decoded === null) throw error;
        bytes = decoded;
      }
    }
  };
}
