import { createHash } from "node:crypto";
import { SET, shownUrl } from "../../config/hidden.ts";
import { buildBody } from "../../message/body.ts";
import { messageHeaders, requestTo } from "../../message/headers.ts";
import { wants } from "../../rules/topics.ts";
import { topicOfStored } from "../../wochit/event.ts";
import { configuredEndpoint } from "../endpoints.ts";
import type { Sources } from "../list.ts";
import { linkOf } from "./read.ts";

export type PreviewJson = Awaited<ReturnType<typeof previewMessage>>;

/** Keeps a byte order mark: the text is what is sent. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * What one endpoint would be sent of an event now: by its newest delivery of it, else by a first one. Without the signature, and
 * the trace, of which each attempt has its own. RelayError("not_found") for an event that is not there, or an endpoint that is
 * not in the config, "body_expired" once the body has been pruned. `now`: milliseconds since 1970.
 */
export async function previewMessage(
  { store, config, openLink }: Sources,
  { eventId, endpoint: id }: { eventId: string; endpoint: string },
  { now, version }: { now: number; version: string },
) {
  const endpoint = configuredEndpoint(config, id);
  const { event, parts, delivery } = await store.preview(eventId, id);
  const received = { body: parts.body!, media: parts.media, contexts: parts.contexts };
  const replay = delivery?.replay ?? false;
  const letter = { event, ...received, link: linkOf(await openLink()), replay, mode: endpoint.body };
  const { body } = buildBody(letter);
  const shown = { url: endpoint.url, headers: Object.fromEntries(endpoint.headerNames.map((name) => [name, SET])) };
  const request = requestTo(shown, `wochit-relay/${version}`);
  // One that has ended begins anew when it is retried.
  const attempt = delivery === null || delivery.hasEnded ? 1 : delivery.attempts + 1;
  const headers: Record<string, string> = {
    ...request.headers,
    ...("authorization" in request.headers && { authorization: SET }),
    ...messageHeaders(delivery?.messageId ?? event.id, attempt, Math.floor(now / 1000)),
  };
  return {
    eventId,
    endpoint: id,
    /** Null: the endpoint has got none of this event. */
    deliveryId: delivery?.id ?? null,
    /** Whether the endpoint asks for it by its `events` and `filter`. */
    wanted: wants(endpoint, { ...event, topic: topicOfStored(event) }),
    url: shownUrl(endpoint.url),
    headers,
    bytes: body.length,
    sha256: createHash("sha256").update(body).digest("hex"),
    /** The bytes as text. */
    body: utf8.decode(body),
  };
}
