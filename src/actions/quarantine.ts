import { errorLine } from "../errors.ts";
import type { RefusalReason } from "../model/event.ts";
import type { Page, Store } from "../store/store.ts";
import { type QuarantinedJson, quarantinedJson } from "./json.ts";
import { collectIds, idOf, walk } from "./paging.ts";

export type QuarantineWish = Page & { reason?: RefusalReason };

export async function* listQuarantine(store: Store, wish: QuarantineWish): AsyncGenerator<QuarantinedJson> {
  for await (const kept of walk((page) => store.quarantined({ ...wish, ...page }), idOf, wish)) {
    yield quarantinedJson(kept);
  }
}

/** One refused request and its bytes: `body` as text where they are UTF-8, else `bodyBase64`. */
export async function showQuarantined(store: Store, id: string) {
  const kept = await store.quarantinedBody(id);
  return { ...quarantinedJson(kept), ...bodyJson(kept.body) };
}

function bodyJson(bytes: Uint8Array): { body: string | null; bodyBase64: string | null } {
  try {
    return { body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), bodyBase64: null };
  } catch {
    return { body: null, bodyBase64: Buffer.from(bytes).toString("base64") };
  }
}

/** The way in, which belongs to `receive`: parses the bytes, stores the event and all that follows from it. */
export type AcceptBytes = (
  bytes: Uint8Array,
  sourceAddress: string,
  receivedAt: number,
  how: { late: boolean },
) => Promise<{ id: string; status: "accepted" | "duplicate" }>;

export type Reprocessed = { quarantineId: string; id: string; status: "accepted" | "duplicate" };

/**
 * Takes a refused body in as if its sender had been allowed: it becomes an event and leaves the quarantine. A body that
 * is no event stays where it is, and RelayError "invalid_json" or "invalid_event" says why.
 */
export async function reprocess(store: Store, accept: AcceptBytes, quarantineId: string): Promise<Reprocessed> {
  const { body, sourceAddress, receivedAt } = await store.quarantinedBody(quarantineId);
  const { id, status } = await accept(body, sourceAddress, receivedAt, { late: true });
  await store.dropQuarantined(quarantineId);
  return { quarantineId, id, status };
}

/** Takes in all that are meant, in the order in which they came; what cannot be taken in is told and stays. */
export async function* reprocessAll(
  store: Store,
  accept: AcceptBytes,
  filter: Pick<QuarantineWish, "reason" | "since" | "until">,
): AsyncGenerator<Reprocessed | { quarantineId: string; error: string }> {
  for (const quarantineId of await collectIds((page) => store.quarantined({ ...page, ...filter }), filter)) {
    try {
      yield await reprocess(store, accept, quarantineId);
    } catch (error) {
      yield { quarantineId, error: errorLine(error) };
    }
  }
}
