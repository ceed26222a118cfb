import { RelayError } from "../errors.ts";
import type { DeliveryJob } from "../model/delivery.ts";
import { LEASE } from "../model/job.ts";
import type { Trace } from "../model/trace.ts";
import type { Accepted, Store } from "../store/store.ts";
import { parseEvent } from "../wochit/event.ts";
import { decodeByLook } from "./decode.ts";

export type Accept = (
  body: Uint8Array,
  sourceAddress: string,
  receivedAt: number,
  /** `late`: the bytes come from quarantine. `trace`: of the request. */
  how?: { late?: boolean; trace?: Trace | null },
) => Promise<Accepted>;

/** Limits of unpacking a quarantined body: bytes, and layers of encoding. */
const MAX_UNPACKED = 16 * 2 ** 20;
const MAX_LAYERS = 3;

/** Who works on what comes in. */
export type Workers = {
  /** Holds a slot of each endpoint that has one free and nothing else to do. `use`: by these; the others are free again. */
  hold(): { endpoints: string[]; use(leased: DeliveryJob[]): void };
  /** Something was committed that feeds these. */
  wake(feeds: Accepted["feeds"]): void;
};

/**
 * Takes an event, from the route or from quarantine. Rejects with RelayError "invalid_json" or "invalid_event" (nothing was
 * stored) or "store_unavailable".
 */
export function createAccept({ store, workers }: { store: Pick<Store, "accept">; workers?: Workers }): Accept {
  return async (body, sourceAddress, receivedAt, { late, trace } = {}) => {
    const received = { receivedAt, sourceAddress, body, ...(late && { late }), ...(trace && { trace }) };
    const held = workers?.hold();
    const isHeld = held !== undefined && held.endpoints.length > 0;
    let leased: DeliveryJob[] = [];
    try {
      const lease = isHeld && { lease: { endpoints: held.endpoints, leaseFor: LEASE } };
      const accepted = await store.accept({ ...received, ...lease });
      leased = accepted.leased;
      workers?.wake(accepted.feeds);
      return accepted;
    } finally {
      held?.use(leased);
    }
  };
}

/**
 * The same for bodies from quarantine, which are kept without their headers: one that is no JSON may be compressed, or
 * UTF-16.
 */
export function createAcceptKept(options: { store: Pick<Store, "accept">; workers?: Workers }): Accept {
  const accept = createAccept(options);
  return async (body, ...rest) => accept(await decodeKept(body), ...rest);
}

/** The bytes of the event that a refused body holds. RelayError("invalid_json" or "invalid_event"): it holds none. */
export async function decodeKept(body: Uint8Array): Promise<Uint8Array> {
  let bytes = body;
  for (let layer = 0; ; layer++) {
    try {
      parseEvent(bytes);
      return bytes;
    } catch (error) {
      const isNoJson = error instanceof RelayError && error.code === "invalid_json";
      const decoded = isNoJson && layer < MAX_LAYERS ? await decodeByLook(bytes, MAX_UNPACKED) : null;
      if (decoded === null) throw error;
      bytes = decoded;
    }
  }
}
