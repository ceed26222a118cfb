import type { Config } from "../config.ts";
import type { ProviderEvent } from "../domain.ts";
import { planEvent } from "../plan.ts";
import type { Accepted, Store } from "../store/store.ts";
import { parseEvent } from "../wochit.ts";

export type Accept = (
  body: Uint8Array,
  sourceAddress: string,
  receivedAt: number,
  /** `late`: the bytes were received before, and kept in quarantine. */
  how?: { late: boolean },
) => Promise<Accepted & { event: ProviderEvent }>;

/**
 * The way in, for the route and for what is reprocessed: reads the bytes, plans what follows, commits all of it.
 * Rejects with RelayError "invalid_json" or "invalid_event" (nothing was stored) or "store_unavailable".
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
