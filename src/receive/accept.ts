import type { Config } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { ProviderEvent } from "../model/event.ts";
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

/**
 * Takes an event, from the route or from quarantine: parses the bytes, plans what follows, commits all of it. Rejects with
 * RelayError "invalid_json" or "invalid_event" (nothing was stored) or "store_unavailable".
 */
export function createAccept({ store, config }: { store: Store; config: Config }): Accept {
  return async (body, sourceAddress, receivedAt, { late } = { late: false }) => {
    const event = parseEvent(body);
    const plan = planEvent(event, receivedAt, config);
    const { dedupeWindow } = config.receive;
    const accepted = await store.accept({ receivedAt, sourceAddress, body, event, plan, dedupeWindow, late });
    return { ...accepted, event };
  };
}

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
