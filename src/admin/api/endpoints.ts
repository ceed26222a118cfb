import * as v from "valibot";
import {
  endpoints,
  pauseEndpoint,
  probeEndpoint,
  resumeEndpoint,
  testDeed,
  testEndpoint,
} from "../../actions/endpoints.ts";
import { collect, type FilterValues } from "../../actions/list.ts";
import { explainEndpoint } from "../../actions/outcome/endpoint.ts";
import { HOURS, MOST_HOURS, readEndpointHours } from "../../actions/outcome/hours.ts";
import { endpoint, endpointDetails, endpointList } from "../answers/endpoints.ts";
import { attempt } from "../answers/events.ts";

import { type Operation, operation, type Place, type Schema } from "../operation.ts";
import { filterEntries, number } from "../query.ts";

/** Of what an endpoint lacks. */
const SHOWN = 50;

const TAG = { tag: "endpoints" } as const;

const hoursEntry = {
  hours: number(1, MOST_HOURS, `What came of the last hours, this one last: so many (default ${HOURS})`),
};
type ListQuery = { hours?: number } & FilterValues<typeof endpoints.filters>;

const at = ({ store, config }: Place, id: string) => ({ store, config, id });

export const endpointOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/endpoints", id: "listEndpoints" },
    summary: "The apps of the config, in its order, and those that left it and hold deliveries",
    query: v.strictObject({ ...filterEntries(endpoints.filters), ...hoursEntry }) as unknown as Schema<ListQuery>,
    answer: endpointList,
    errors: [],
    async run({ query: { hours, ...filters } }, place) {
      const data = await collect(endpoints.rows(place, { ...filters, limit: Number.POSITIVE_INFINITY }));
      const ids = data.map(({ id }) => id);
      const span = { now: place.ports.clock.now(), count: hours };
      const ofHours = await readEndpointHours(place.store, ids, span);
      return { data: data.map((one) => ({ ...one, hours: ofHours.get(one.id)! })) };
    },
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/endpoints/{id}", id: "showEndpoint" },
    summary: "One endpoint: its settings, its state and why, and what it lacks with the reasons",
    query: v.strictObject(hoursEntry),
    answer: endpointDetails,
    errors: ["not_found"],
    async run({ path, query: { hours } }, place) {
      const asked = { limit: SHOWN, hours, now: place.ports.clock.now() };
      return (await explainEndpoint(at(place, path.id!), asked)).endpoint;
    },
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/endpoints/{id}/pause", id: "pauseEndpoint" },
    summary: "Sends nothing to an endpoint until it is resumed; its deliveries wait",
    body: v.strictObject({ reason: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1_000))) }),
    answer: endpoint,
    errors: ["not_found"],
    run: ({ path, body, caller }, place) =>
      pauseEndpoint(
        at(place, path.id!),
        { reason: body.reason ?? null, by: `paused by ${caller.name}` },
        place.ports.clock.now(),
      ),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/endpoints/{id}/resume", id: "resumeEndpoint" },
    summary: "Sends to a paused endpoint again; one that is failing is asked at once",
    answer: endpoint,
    errors: ["not_found", "conflict"],
    run: ({ path }, place) => resumeEndpoint(at(place, path.id!)),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/endpoints/{id}/probe", id: "probeEndpoint" },
    summary: "Asks an endpoint that is failing at once, with a delivery that waits",
    answer: endpoint,
    errors: ["not_found", "conflict"],
    run: ({ path }, place) => probeEndpoint(at(place, path.id!)),
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/endpoints/{id}/test", id: "testEndpoint" },
    summary: "Sends a signed message of type relay.test, which stands for no event, and answers what came of it",
    answer: attempt,
    errors: ["not_found"],
    async run({ path, note }, { config, tryEndpoint }) {
      const attempt = await testEndpoint(config, path.id!, tryEndpoint);
      await note(testDeed(path.id!, attempt));
      return attempt;
    },
  }),
];
