import { SET, shownUrl } from "../config/hidden.ts";
import type { Config, Endpoint } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { Deed } from "../model/audit.ts";
import type { Attempt, EndpointState } from "../model/delivery.ts";
import { suggest } from "../rules/nearest.ts";
import type { Counts } from "../store/counts.ts";
import type { Store } from "../store/store.ts";
import { shortTime } from "./format.ts";
import { type AttemptJson, attemptJson, isoTime } from "./json.ts";
import { list } from "./list.ts";

export const endpoints = list({
  filters: {
    state: {
      isMany: true,
      words: ["active", "failing", "paused", "removed"],
      help: "only in this state, or in one of these",
    },
  },
  async *rows({ store, config }, { state, limit }) {
    const states = state?.split(",");
    const all = await listEndpoints(store, config);
    yield* all.filter((endpoint) => states?.includes(endpoint.state) ?? true).slice(0, limit);
  },
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "STATE", value: ({ state }) => state, whole: true },
    { title: "WAITING", value: ({ waiting }) => waiting, whole: true },
    { title: "PENDING", value: ({ pending, running }) => pending + running, whole: true },
    { title: "DEAD", value: ({ dead }) => dead, whole: true },
    { title: "OLDEST", value: ({ oldest }) => shortTime(oldest), whole: true, spare: 1 },
    { title: "EVENTS", value: ({ events }) => events.join(" "), spare: 2 },
    { title: "URL", value: ({ url }) => url, below: true },
    { title: "REASON", value: ({ reason }) => reason, below: true },
  ],
});

/** The reason of a pause by `paused: true`. */
const BY_CONFIG = "by the config";

export type EndpointJson = ReturnType<typeof describeEndpoints>[number];

/** Those of the config in its order, then those that only the store knows. */
export async function listEndpoints(
  store: Pick<Store, "endpoints" | "counts">,
  config: Pick<Config, "endpoints">,
): Promise<EndpointJson[]> {
  const states = await store.endpoints();
  return describeEndpoints(config, states, (await store.counts()).deliveries);
}

export function describeEndpoints(
  { endpoints }: Pick<Config, "endpoints">,
  states: EndpointState[],
  deliveries: Counts["deliveries"],
) {
  const known = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
  const stateOf = new Map(states.map((state) => [state.endpoint, state]));
  const paused = states.filter(({ pausedAt }) => pausedAt !== null).map(({ endpoint }) => endpoint);
  const ids = new Set([...known.keys(), ...deliveries.map(({ endpoint }) => endpoint).sort(), ...paused]);
  return [...ids].map((id) => {
    const endpoint = known.get(id);
    const { pausedAt = null, reason: stored = null, health = null } = stateOf.get(id) ?? {};
    const breaker = health?.breaker ?? null;
    const isPausedByConfig = endpoint?.paused ?? false;
    const own = deliveries.filter((one) => one.endpoint === id);
    const count = (state: string) => own.find((one) => one.state === state)?.count ?? 0;
    const open = own.filter((one) => ["waiting", "pending", "running"].includes(one.state));
    // `removed`: no longer in the config; its deliveries are held until it returns or they are canceled.
    // `failing`: its breaker is open, and only probes are sent.
    const isPaused = pausedAt !== null || isPausedByConfig;
    const present = isPaused ? "paused" : breaker !== null ? "failing" : "active";
    const state: "active" | "failing" | "paused" | "removed" = endpoint === undefined ? "removed" : present;
    const pause = !isPausedByConfig ? stored : stored === null ? BY_CONFIG : `${BY_CONFIG}; ${stored}`;
    return {
      id,
      // It may carry a password, or a token in its query.
      url: endpoint ? shownUrl(endpoint.url) : null,
      headers: Object.fromEntries((endpoint?.headerNames ?? []).map((name) => [name, SET])),
      events: endpoint?.events ?? [],
      filter: endpoint?.filter ?? null,
      body: endpoint?.body ?? null,
      send: endpoint?.send ?? null,
      order: endpoint?.order ?? null,
      /** Those that sign, the first first: where each is, and by which mark it is known; never a value. */
      secrets: endpoint?.secrets ?? [],
      state,
      /** Null also while only the config pauses it. */
      pausedAt: isoTime(pausedAt),
      /** Of the pause, else what the last probe came to. */
      reason: state === "failing" ? breaker!.error : pause,
      /** Since when it fails, and when it is probed next; null: it does not. */
      failingSince: isoTime(breaker?.since ?? null),
      nextProbeAt: isoTime(breaker?.dueAt ?? null),
      /** Deliveries by state. */
      waiting: count("waiting"),
      pending: count("pending"),
      running: count("running"),
      dead: count("dead"),
      /** When the oldest event was received that still waits for this endpoint. */
      oldest: open.length === 0 ? null : isoTime(Math.min(...open.map((one) => one.oldest))),
    };
  });
}

type Target = { store: Store; config: Pick<Config, "endpoints" | "file">; id: string };

/**
 * Sends nothing to it until it is resumed, beside a pause by the config; its deliveries wait meanwhile. `reason`: null: none was
 * given; one that is paused already keeps its own then, else it is `by`.
 */
export async function pauseEndpoint(
  target: Target,
  { reason, by }: { reason: string | null; by: string },
  now: number,
): Promise<EndpointJson> {
  const { pausedAt, pauseReason } = await readPause(target);
  await target.store.pauseEndpoint(target.id, reason ?? (pausedAt === null ? null : pauseReason) ?? by, now);
  return showEndpoint(target);
}

/** The stored pause of one that is known: without what the config adds to its reason. */
async function readPause(target: Target): Promise<{ pausedAt: number | null; pauseReason: string | null }> {
  await showEndpoint(target);
  const found = (await target.store.endpoints()).find(({ endpoint }) => endpoint === target.id);
  return { pausedAt: found?.pausedAt ?? null, pauseReason: found?.reason ?? null };
}

/** Ends an operator's pause, or one by 410s. RelayError("conflict"), and no change, while the config pauses it. */
export async function resumeEndpoint(target: Target): Promise<EndpointJson> {
  const { store, config, id } = target;
  await showEndpoint(target);
  if (config.endpoints.some((endpoint) => endpoint.id === id && endpoint.paused)) {
    throw new RelayError("conflict", `${id} is paused by the config: take "paused" out of ${config.file}, and reload`);
  }
  await store.resumeEndpoint(id);
  return showEndpoint(target);
}

/** Asks one that is failing at once, instead of at its next probe. RelayError("conflict") for one that is not. */
export async function probeEndpoint(target: Target): Promise<EndpointJson> {
  const { state } = await showEndpoint(target);
  if (state !== "failing")
    throw new RelayError("conflict", `${target.id} is ${state}: only one that is failing is probed`);
  await target.store.resumeEndpoint(target.id);
  return showEndpoint(target);
}

/**
 * Sends it a signed message that stands for no event, with `send`, and tells what came of it. RelayError("not_found") for
 * one that is not in the config.
 */
export async function testEndpoint(
  { endpoints }: Pick<Config, "endpoints">,
  id: string,
  send: (endpoint: Endpoint) => Promise<Attempt>,
): Promise<AttemptJson> {
  const attempt = await send(configuredEndpoint({ endpoints }, id));
  return attemptJson({ ...attempt, n: 1, retryAfter: null, probe: false });
}

/** RelayError("not_found") for one that is not in the config; it names the nearest one. */
export function configuredEndpoint({ endpoints }: Pick<Config, "endpoints">, id: string): Endpoint {
  const found = endpoints.find((one) => one.id === id);
  if (found !== undefined) return found;
  const known = endpoints.map((one) => one.id);
  throw new RelayError("not_found", `no endpoint "${id}" in the config${suggest(id, known)}`);
}

/** The same for the audit. */
export const testDeed = (id: string, { status, error }: AttemptJson): Deed => ({
  ...{ verb: "endpoints test", subject: id, count: null },
  outcome: error ?? `answered ${status}`,
});

/**
 * A filter names an endpoint of the config, or one that has left it and holds deliveries; RelayError("not_found") names the
 * nearest known one.
 */
export async function checkEndpoint(from: Omit<Target, "id">, id: string): Promise<void> {
  if (!from.config.endpoints.some((endpoint) => endpoint.id === id)) await showEndpoint({ ...from, id });
}

/** RelayError("not_found") names the nearest known one. */
export async function showEndpoint({ store, config, id }: Target): Promise<EndpointJson> {
  const all = await listEndpoints(store, config);
  const found = all.find((endpoint) => endpoint.id === id);
  if (found) return found;
  const known = all.map((endpoint) => endpoint.id);
  throw new RelayError("not_found", `no endpoint "${id}"${known.length > 0 ? suggest(id, known) : ""}`);
}
