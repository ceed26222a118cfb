import * as v from "valibot";
import {
  endpoints,
  pauseEndpoint,
  probeEndpoint,
  resumeEndpoint,
  testDeed,
  testEndpoint,
} from "../../actions/endpoints.ts";
import { collect } from "../../actions/list.ts";
import { explainEndpoint } from "../../actions/outcome/endpoint.ts";
import { attempt } from "../answers/events.ts";
import { endpoint, endpointDetails, endpointList } from "../answers/relay.ts";
import { type Operation, operation, type Place } from "../operation.ts";
import { filterEntries } from "../query.ts";

/** Of what an endpoint lacks. */
const SHOWN = 50;

const TAG = { tag: "endpoints" } as const;

const at = ({ store, config }: Place, id: string) => ({ store, config, id });

export const endpointOperations: Operation[] = [
  operation({
    ...{ ...TAG, method: "GET", path: "/endpoints", id: "listEndpoints" },
    summary: "The apps of the config, in its order, and those that left it and hold deliveries",
    query: v.strictObject(filterEntries(endpoints.filters)),
    answer: endpointList,
    errors: [],
    run: async ({ query }, place) => ({
      data: await collect(endpoints.rows(place, { ...query, limit: Number.POSITIVE_INFINITY })),
    }),
  }),
  operation({
    ...{ ...TAG, method: "GET", path: "/endpoints/{id}", id: "showEndpoint" },
    summary: "One endpoint: its settings, its state and why, and what it lacks with the reasons",
    answer: endpointDetails,
    errors: ["not_found"],
    run: async ({ path }, place) => (await explainEndpoint(at(place, path.id!), SHOWN)).endpoint,
  }),
  operation({
    ...{ ...TAG, method: "POST", path: "/endpoints/{id}/pause", id: "pauseEndpoint" },
    summary: "Sends nothing to an endpoint until it is resumed; its deliveries wait",
    body: v.strictObject({ reason: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1_000))) }),
    answer: endpoint,
    errors: ["not_found"],
    run: ({ path, body, caller }, place) =>
      pauseEndpoint(at(place, path.id!), body.reason ?? `paused by ${caller.name}`, place.ports.clock.now()),
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
