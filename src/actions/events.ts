import type { Config, Endpoint } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { StoredEvent } from "../model/event.ts";
import { wants } from "../rules/topics.ts";
import type { Store } from "../store/store.ts";
import { topicOfStored } from "../wochit/event.ts";
import { configuredEndpoint } from "./endpoints.ts";
import { titleFilter, typeFilter, typesOf } from "./filters/types.ts";
import { shortTime } from "./format.ts";
import { deliveryJson, eventJson, type Link, mediumJson } from "./json.ts";
import { type Column, list, walk } from "./list.ts";
import { readStory } from "./outcome/story.ts";
import { type Moment, timeline } from "./outcome/timeline.ts";

export const events = list({
  filters: {
    type: typeFilter,
    status: {
      words: ["settled", "waiting", "dead"],
      help: "only those of which something is under way, or some delivery is dead",
    },
    endpoint: { value: "ENDPOINT", help: "only what goes to this endpoint; with --status, by its deliveries to it" },
    q: titleFilter,
    videoId: { value: "ID", help: "only of this video" },
    context: { help: "only of this videoContext" },
    contextMissing: {
      isFlag: true,
      help: "only what was sent to an app without the videoContext that is known of it now",
    },
  },
  rows: ({ store }, { type, ...query }) =>
    walk((page) => store.events(page), { ...query, types: typesOf(type) }, eventJson),
  total: ({ store }, { type, ...filter }) =>
    store.countListed({ list: "events", filter: { ...filter, types: typesOf(type) } }),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "RECEIVED", value: ({ receivedAt }) => shortTime(receivedAt), whole: true },
    { title: "TYPE", value: ({ type }) => type, least: 11 },
    { title: "VIDEO", value: ({ videoId }) => videoId, least: 24, spare: 1 },
    { title: "SEQ", value: ({ sequence }) => sequence, whole: true, spare: 2 },
    { title: "CONTEXT", value: ({ context }) => context },
    { title: "DUP", value: ({ duplicates }) => duplicates, whole: true, spare: 3 },
    { title: "STATUS", value: ({ status }) => status, whole: true },
  ],
});

/** One event with its media, a timeline and its newest `limit` deliveries, newest first; `more`: there are further ones. */
export async function showEvent(store: Store, id: string, link: Link, limit: number) {
  const { event, title, media, deliveries, more } = await readStory(store, id, limit);
  const shown = {
    ...{ ...eventJson(event), title, media: media.map((one) => mediumJson(one, link)) },
    ...{ deliveries: deliveries.map(deliveryJson), timeline: timeline(event, media, deliveries) },
  };
  return { event: shown, more };
}

export const timelineColumns: Column<Moment>[] = [
  { title: "AT", value: ({ at }) => shortTime(at), whole: true },
  { title: "WHAT", value: ({ what }) => what, whole: true },
  { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
  { title: "OF", value: ({ of }) => of, whole: true },
  { title: "DETAIL", value: ({ detail }) => detail, below: true },
];

/** How one event is sent again. */
export type ReplayOptions = {
  /** Only to this endpoint, whatever its `events` and `filter` say. */
  endpoint?: string | undefined;
  /** Only where the newest delivery of the event to the endpoint is dead. */
  onlyDead?: boolean;
  /** Sends it under a new `webhook-id`, for a consumer that lost what it had acknowledged. */
  newId?: boolean;
};

/** A new delivery. */
export type Replayed = { eventId: string; endpoint: string; deliveryId: string };

/**
 * Makes new deliveries of a stored event. RelayError("not_found") for an event or endpoint that is not there, "conflict"
 * where no endpoint wants it, "body_expired" once its body is gone.
 */
export async function replayEvent(
  store: Store,
  { endpoints }: Pick<Config, "endpoints">,
  eventId: string,
  options: ReplayOptions,
  now: number,
): Promise<Replayed[]> {
  const { endpoint: named, newId = false } = options;
  if (named !== undefined) configuredEndpoint({ endpoints }, named);
  const event = await store.event(eventId);
  const meant = await endpointsFor(store, endpoints, event, options);
  if (meant.length === 0) throw new RelayError("conflict", noEndpoint(eventId, options));
  const replayed: Replayed[] = [];
  for (const { id: endpoint, order } of meant) {
    const { id: deliveryId } = await store.replay(eventId, { endpoint, ordered: order === "video", newId }, now);
    replayed.push({ eventId, endpoint, deliveryId });
  }
  return replayed;
}

async function endpointsFor(
  store: Store,
  endpoints: Endpoint[],
  event: StoredEvent,
  { endpoint, onlyDead }: ReplayOptions,
): Promise<Endpoint[]> {
  const { context, videoId } = event;
  const subject = { topic: topicOfStored(event), context, videoId };
  const wanted = endpoints.filter((one) => (endpoint === undefined ? wants(one, subject) : one.id === endpoint));
  if (!onlyDead) return wanted;
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
