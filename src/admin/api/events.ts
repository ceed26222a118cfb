import * as v from "valibot";
import { events, replayEvent, showEvent } from "../../actions/events.ts";
import { previewMessage } from "../../actions/feed/preview.ts";
import { typesOf } from "../../actions/filters/types.ts";
import { eventPage, preview } from "../answers/events.ts";
import { eventDetails, replayed } from "../answers/relay.ts";
import { bytesAnswer } from "../bytes.ts";
import { feedEntries, feedPage, isFeed } from "../feed.ts";
import { manyOperation } from "../many.ts";
import { type Operation, operation } from "../operation.ts";
import { listPage, listQuery } from "../query.ts";

/** Deliveries of one event that it is shown with: there are more only of one that was replayed very often. */
const SHOWN = 500;

const { type: _, ...otherFilters } = events.filters;

const replayOptions = {
  endpoint: v.optional(v.pipe(v.string(), v.description("Only to this endpoint, whatever its events and filter say"))),
  onlyDead: v.optional(v.pipe(v.boolean(), v.description("Only where the newest delivery is dead"))),
  newId: v.optional(v.pipe(v.boolean(), v.description("Under a new webhook-id"))),
};

export const eventOperations: Operation[] = [
  operation({
    ...{ method: "GET", path: "/events", id: "listEvents", tag: "events" },
    summary: "The events that came in, newest first; with `after` a feed, oldest first",
    query: listQuery(events, feedEntries),
    answer: eventPage,
    errors: ["cursor_expired"],
    run: async (asked, place) => (isFeed(asked.query) ? feedPage(asked, place) : listPage(events, asked, place)),
  }),
  operation({
    ...{ method: "GET", path: "/events/{id}", id: "showEvent", tag: "events" },
    summary: "One event with its media and its newest deliveries",
    answer: eventDetails,
    errors: ["not_found"],
    run: async ({ path }, { store, openLink }) => (await showEvent(store, path.id!, await openLink(), SHOWN)).event,
  }),
  operation({
    ...{ method: "GET", path: "/events/{id}/body", id: "readEventBody", tag: "events" },
    summary: "The bytes of an event, exactly as they were received",
    more: "They are foreign, so their type is always application/octet-stream. The ETag is their sha256.",
    answer: { bytes: "application/octet-stream" },
    errors: ["not_found", "body_expired"],
    run: async ({ path }, { store }) => bytesAnswer(await store.eventBody(path.id!), path.id!),
  }),
  operation({
    ...{ method: "GET", path: "/events/{id}/preview", id: "previewEvent", tag: "events" },
    summary: "What an endpoint would be sent of an event now",
    more: 'By its newest delivery of the event, else by a first one. The headers are without the signature, and without a trace, of which each attempt has its own; values of the config are "(set)".',
    query: v.strictObject({ endpoint: v.pipe(v.string(), v.minLength(1), v.description("An endpoint of the config")) }),
    answer: preview,
    errors: ["not_found", "body_expired"],
    run: ({ path, query }, place) =>
      previewMessage(
        place,
        { eventId: path.id!, endpoint: query.endpoint },
        { now: place.ports.clock.now(), version: place.version },
      ),
  }),
  operation({
    ...{ method: "POST", path: "/events/{id}/replay", id: "replayEvent", tag: "events" },
    summary: "Delivers one event again, as new deliveries",
    body: v.strictObject(replayOptions),
    answer: replayed,
    errors: ["not_found", "conflict", "body_expired"],
    run: async ({ path, body }, { store, config, ports }) => ({
      data: await replayEvent(store, config, path.id!, body, ports.clock.now()),
    }),
  }),
  manyOperation({
    ...{ verb: "replay", path: "/replay", id: "replayEvents", tag: "events" },
    summary: "Delivers many events again",
    filters: otherFilters,
    own: {
      type: v.optional(v.union([v.string(), v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(50))])),
      ...replayOptions,
    },
    wish({ type, onlyDead, newId, ...filter }) {
      const types = type === undefined ? {} : { types: ([type].flat() as string[]).flatMap((one) => typesOf(one)!) };
      return {
        filter: { ...filter, ...types },
        ...(onlyDead === true && { onlyDead }),
        ...(newId === true && { newId }),
      };
    },
  }),
];
