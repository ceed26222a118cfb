import type { Config, Endpoint } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { StoredEvent } from "../model/event.ts";
import { MEDIA_NOTICES, topicMatches } from "../rules/topics.ts";
import type { Page, Store } from "../store/store.ts";
import { topicOf } from "../wochit/event.ts";
import { deliveryJson, type EventJson, eventJson, type Link, mediumJson } from "./json.ts";
import { collectIds, idOf, walk } from "./paging.ts";

export type EventWish = Page & { type?: string; videoId?: string; context?: string; contextMissing?: boolean };

export async function* listEvents(store: Store, wish: EventWish): AsyncGenerator<EventJson> {
  for await (const event of walk((page) => store.events({ ...wish, ...page }), idOf, wish)) yield eventJson(event);
}

/** One event with its media and its newest `limit` deliveries, newest first; `more`: there are further ones. */
export async function showEvent(store: Store, id: string, link: Link, limit: number) {
  const event = await store.event(id);
  const found = [];
  const ofEvent = (page: Page) => store.deliveries({ ...page, eventId: id });
  for await (const delivery of walk(ofEvent, idOf, { limit: limit + 1 })) found.push(deliveryJson(delivery));
  const media = (await store.eventMedia(id)).map((one) => mediumJson(one, link));
  return { event: { ...eventJson(event), media, deliveries: found.slice(0, limit) }, more: found.length > limit };
}

/** Which events are sent again, and to whom. Without `id` the range needs its `since`. */
export type ReplayWish = {
  id?: string;
  since?: number;
  until?: number;
  /** Event types or patterns ("draft.*"); none: every type. */
  types?: string[];
  /** Only to this endpoint; with an `id` also when the endpoint did not ask for such events. */
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
 * Makes new deliveries of stored events, oldest event first. RelayError("usage") for a range without a beginning,
 * "not_found" for an event or endpoint that is not there; what fails within a range is told and passed over.
 */
export async function* replayEvents(
  store: Store,
  config: Pick<Config, "endpoints">,
  wish: ReplayWish,
  now: () => number,
): AsyncGenerator<Replayed> {
  if (wish.endpoint !== undefined && !config.endpoints.some(({ id }) => id === wish.endpoint)) {
    throw new RelayError("not_found", `no endpoint "${wish.endpoint}" in the config`);
  }
  if (wish.id !== undefined) {
    const endpoints = await endpointsFor(store, config, await store.event(wish.id), wish);
    if (endpoints.length === 0) throw new RelayError("conflict", noEndpoint(wish.id, wish));
    for (const endpoint of endpoints) yield await replay(store, wish.id, endpoint, wish, now());
    return;
  }
  if (wish.since === undefined)
    throw new RelayError("usage", "name an event, or the time since when events are replayed");
  const { types = [] } = wish;
  // The end is fixed now (`until` itself is excluded): what comes in meanwhile is not replayed.
  const range = { since: wish.since, until: wish.until ?? now() + 1 };
  for (const id of await collectMeant(store, types, range)) {
    const event = await store.event(id);
    if (types.length > 0 && !topicMatches(types, topicOfStored(event))) continue;
    for (const endpoint of await endpointsFor(store, config, event, wish)) {
      try {
        yield await replay(store, id, endpoint, wish, now());
      } catch (error) {
        yield { eventId: id, endpoint: endpoint.id, deliveryId: null, error: errorLine(error) };
      }
    }
  }
}

/** The ids of events that may be of these types, oldest first. One exact type is the store's own filter. */
async function collectMeant(store: Store, types: string[], range: { since: number; until: number }): Promise<string[]> {
  const exact = types.length === 1 && !types[0]!.includes("*") ? types : [undefined];
  // Lists leave notices out unless one type of them is asked for (CONTRACT, "Notices").
  const all = Object.values<string>(MEDIA_NOTICES);
  const notices = all
    .filter((type) => !types.includes(type) || types.length > 1)
    .filter((type) => topicMatches(types, type));
  const ids: string[] = [];
  for (const type of [...exact, ...notices]) {
    ids.push(...(await collectIds((page: Page) => store.events({ ...page, type }), range)));
  }
  return ids.sort();
}

/** What patterns are matched against: a notice has its own name, which no event of the provider's can bear. */
function topicOfStored(event: StoredEvent): string {
  return event.dialect === "notice" && event.type !== null ? event.type : topicOf(event);
}

async function replay(store: Store, eventId: string, endpoint: Endpoint, wish: ReplayWish, now: number) {
  const to = { endpoint: endpoint.id, ordered: endpoint.order === "video", newId: wish.newId ?? false };
  const { id } = await store.replay(eventId, to, now);
  return { eventId, endpoint: endpoint.id, deliveryId: id, error: null };
}

async function endpointsFor(
  store: Store,
  { endpoints }: Pick<Config, "endpoints">,
  event: StoredEvent,
  wish: ReplayWish,
): Promise<Endpoint[]> {
  const named = endpoints.filter(({ id }) => wish.endpoint === undefined || id === wish.endpoint);
  if (wish.onlyDead) {
    const dead = await deadEndpoints(store, event.id);
    return named.filter(({ id }) => dead.has(id));
  }
  if (wish.id !== undefined && wish.endpoint !== undefined) return named;
  return named.filter(({ events }) => topicMatches(events, topicOfStored(event)));
}

async function deadEndpoints(store: Store, eventId: string): Promise<Set<string>> {
  const newest = new Map<string, string>();
  const ofEvent = (page: Page) => store.deliveries({ ...page, eventId });
  for await (const { endpoint, state } of walk(ofEvent, idOf, ALL)) {
    if (!newest.has(endpoint)) newest.set(endpoint, state);
  }
  return new Set([...newest].filter(([, state]) => state === "dead").map(([endpoint]) => endpoint));
}

function noEndpoint(id: string, { onlyDead, endpoint }: ReplayWish): string {
  if (onlyDead) return `${id} is not dead at ${endpoint ?? "any endpoint"}`;
  return `no endpoint asks for the type of ${id}: name the one that shall get it`;
}

const ALL = { limit: Number.POSITIVE_INFINITY };
