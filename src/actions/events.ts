import type { Config, Endpoint } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { StoredEvent } from "../model/event.ts";
import { NOTICES } from "../model/notice.ts";
import { topicMatches, wants } from "../rules/topics.ts";
import type { Store } from "../store/store.ts";
import { topicOf } from "../wochit/event.ts";
import { shortTime } from "./format.ts";
import { deliveryJson, eventJson, type Link, mediumJson } from "./json.ts";
import { collect, collectIds, list, walk } from "./list.ts";

export const events = list({
  filters: {
    type: { value: "TYPE", help: "only of this type, like video.ready" },
    videoId: { value: "ID", help: "only of this video" },
    context: { help: "only of this videoContext" },
    contextMissing: {
      isFlag: true,
      help: "only what was sent to an app without the videoContext that is known of it now",
    },
  },
  rows: ({ store }, query) => walk((page) => store.events(page), query, eventJson),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "RECEIVED", value: ({ receivedAt }) => shortTime(receivedAt), whole: true },
    { title: "TYPE", value: ({ type }) => type },
    { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
    { title: "SEQ", value: ({ sequence }) => sequence, whole: true },
    { title: "CONTEXT", value: ({ context }) => context },
    { title: "DUP", value: ({ duplicates }) => duplicates, whole: true },
    { title: "STATUS", value: ({ status }) => status, whole: true },
  ],
});

/** One event with its media and its newest `limit` deliveries, newest first; `more`: there are further ones. */
export async function showEvent(store: Store, id: string, link: Link, limit: number) {
  const event = await store.event(id);
  const found = await collect(walk((page) => store.deliveries(page), { eventId: id, limit: limit + 1 }));
  const media = (await store.eventMedia(id)).map((one) => mediumJson(one, link));
  const deliveries = found.slice(0, limit).map(deliveryJson);
  return { event: { ...eventJson(event), media, deliveries }, more: found.length > limit };
}

/** Which events are sent again, and to whom. Without `id` the range needs its `since`. */
export type ReplayOptions = {
  id?: string;
  since?: number;
  until?: number;
  /** Event types or patterns ("draft.*"); none: every type. */
  types?: string[];
  /** Only to this endpoint; with an `id` whatever its `events` and `filter` say. */
  endpoint?: string;
  /** Only where the newest delivery of the event to the endpoint is dead. */
  onlyDead?: boolean;
  /** Sends it under a new `webhook-id`, for a consumer that lost what it had acknowledged. */
  newId?: boolean;
};

/** One new delivery, or why there is none. */
export type Replayed = {
  eventId: string;
  endpoint: string | null;
  deliveryId: string | null;
  error: string | null;
};

/**
 * Makes new deliveries of stored events, oldest event first, to the endpoints that want them by today's config. RelayError("usage") for a range without a beginning,
 * "not_found" for an event or endpoint that is not there. A failure within a range is a row with its error, and the next
 * one follows.
 */
export async function* replayEvents(
  store: Store,
  config: Pick<Config, "endpoints">,
  options: ReplayOptions,
  now: () => number,
): AsyncGenerator<Replayed> {
  if (options.endpoint !== undefined && !config.endpoints.some(({ id }) => id === options.endpoint)) {
    throw new RelayError("not_found", `no endpoint "${options.endpoint}" in the config`);
  }
  if (options.id !== undefined) {
    const endpoints = await endpointsFor(store, config, await store.event(options.id), options);
    if (endpoints.length === 0) throw new RelayError("conflict", noEndpoint(options.id, options));
    for (const endpoint of endpoints) yield await replay(store, options.id, endpoint, options, now());
    return;
  }
  if (options.since === undefined) {
    throw new RelayError("usage", "name an event, or the time since when events are replayed");
  }
  const { types = [] } = options;
  // The end is fixed now (`until` itself is excluded): events that come in meanwhile are not replayed.
  const range = { since: options.since, until: options.until ?? now() + 1 };
  for (const id of await collectMatching(store, types, range)) {
    const event = await store.event(id);
    if (types.length > 0 && !topicMatches(types, topicOfStored(event))) continue;
    for (const endpoint of await endpointsFor(store, config, event, options)) {
      yield await replay(store, id, endpoint, options, now()).catch((error) => ({
        eventId: id,
        endpoint: endpoint.id,
        deliveryId: null,
        error: errorLine(error),
      }));
    }
  }
}

/**
 * The ids of events that may be of these types, oldest first. One exact type is the store's own filter; notices are in no list
 * without one.
 */
async function collectMatching(
  store: Store,
  types: string[],
  range: { since: number; until: number },
): Promise<string[]> {
  const isExact = types.length === 1 && !types[0]!.includes("*");
  const notices = NOTICES.filter((type) => topicMatches(types, type));
  const ids: string[] = [];
  for (const type of isExact ? types : [undefined, ...notices]) {
    ids.push(...(await collectIds((page) => store.events(page), { ...range, type })));
  }
  return ids.sort();
}

/** What patterns are matched against. A notice has a name of its own, which no event of the provider's can have. */
function topicOfStored(event: StoredEvent): string {
  return event.dialect === "notice" && event.type !== null ? event.type : topicOf(event);
}

async function replay(store: Store, eventId: string, endpoint: Endpoint, options: ReplayOptions, now: number) {
  const to = { endpoint: endpoint.id, ordered: endpoint.order === "video", newId: options.newId ?? false };
  const { id } = await store.replay(eventId, to, now);
  return { eventId, endpoint: endpoint.id, deliveryId: id, error: null };
}

async function endpointsFor(
  store: Store,
  { endpoints }: Pick<Config, "endpoints">,
  event: StoredEvent,
  options: ReplayOptions,
): Promise<Endpoint[]> {
  const named = endpoints.filter(({ id }) => options.endpoint === undefined || id === options.endpoint);
  const isMeant = options.id !== undefined && options.endpoint !== undefined;
  const { context, videoId } = event;
  const subject = { topic: topicOfStored(event), context, videoId };
  const wanted = isMeant ? named : named.filter((endpoint) => wants(endpoint, subject));
  if (!options.onlyDead) return wanted;
  const dead = await deadEndpoints(store, event.id);
  return wanted.filter(({ id }) => dead.has(id));
}

async function deadEndpoints(store: Store, eventId: string): Promise<Set<string>> {
  const ofEvent = { eventId, limit: Number.POSITIVE_INFINITY };
  const newest = new Map<string, string>();
  for await (const { endpoint, state } of walk((page) => store.deliveries(page), ofEvent)) {
    if (!newest.has(endpoint)) newest.set(endpoint, state);
  }
  return new Set([...newest].filter(([, state]) => state === "dead").map(([endpoint]) => endpoint));
}

function noEndpoint(id: string, { onlyDead, endpoint }: ReplayOptions): string {
  if (onlyDead) return `${id} is not dead at ${endpoint ?? "any endpoint that wants it"}`;
  return `no endpoint wants ${id} by its events and filter: name one with --endpoint`;
}
