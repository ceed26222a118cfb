import type { IncomingHttpHeaders } from "node:http";
import { RelayError } from "../errors.ts";
import type { StoredEvent } from "../model/event.ts";
import type { Store } from "../store/store.ts";

/** The user-agent of deliveries (CONTRACT, "What an endpoint receives"). */
const OWN_AGENT = /^wochit-relay\//;

/**
 * The event of this database that one of its own deliveries brings back, because an endpoint leads to this relay; else null.
 * Deliveries are recognised by their user-agent; the event's id is in the body, or, where that is verbatim or a notice, in
 * `webhook-id`. The delivery of another relay, whose database has other ids, is no loop.
 */
export async function findReturned(
  headers: IncomingHttpHeaders,
  body: Uint8Array,
  store: Pick<Store, "event">,
): Promise<StoredEvent | null> {
  if (!OWN_AGENT.test(headers["user-agent"] ?? "")) return null;
  const { relay, wochitVideoId } = readObject(body);
  for (const id of [relay?.eventId, headers["webhook-id"]]) {
    if (typeof id !== "string") continue;
    const event = await store.event(id).catch(nullWhereUnknown);
    if (event !== null && event.videoId === wochitVideoId) return event;
  }
  return null;
}

function readObject(body: Uint8Array): { relay?: { eventId?: unknown }; wochitVideoId?: unknown } {
  try {
    return JSON.parse(Buffer.from(body).toString()) ?? {};
  } catch {
    return {};
  }
}

function nullWhereUnknown(error: unknown): null {
  if (error instanceof RelayError && error.code === "not_found") return null;
  throw error;
}
