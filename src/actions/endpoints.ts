import type { Config, Endpoint } from "../config/schema.ts";
import { RelayError } from "../errors.ts";
import type { EndpointState } from "../model/delivery.ts";
import { suggest } from "../rules/nearest.ts";
import type { Counts, Store } from "../store/store.ts";
import { withoutQuery } from "../wochit/link.ts";
import { isoTime } from "./json.ts";

/** `removed`: no longer in the config; its deliveries are held until it returns or they are canceled. */
export type EndpointJson = {
  id: string;
  url: string | null;
  events: string[];
  body: Endpoint["body"] | null;
  send: Endpoint["send"] | null;
  order: Endpoint["order"] | null;
  state: "active" | "paused" | "removed";
  pausedAt: string | null;
  reason: string | null;
  /** Deliveries by state. */
  waiting: number;
  pending: number;
  running: number;
  dead: number;
  /** When the oldest event was received that still waits for this endpoint. */
  oldest: string | null;
};

/** Those of the config in its order, then those that only the store knows. */
export async function listEndpoints(
  store: Pick<Store, "endpoints" | "counts">,
  config: Pick<Config, "endpoints">,
): Promise<EndpointJson[]> {
  const states = new Map((await store.endpoints()).map((state) => [state.endpoint, state]));
  const { deliveries } = await store.counts();
  return describeEndpoints(config, states, deliveries);
}

export function describeEndpoints(
  { endpoints }: Pick<Config, "endpoints">,
  states: Map<string, EndpointState>,
  deliveries: Counts["deliveries"],
): EndpointJson[] {
  const known = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
  const paused = [...states.values()].filter(({ pausedAt }) => pausedAt !== null).map(({ endpoint }) => endpoint);
  const ids = new Set([...known.keys(), ...deliveries.map(({ endpoint }) => endpoint).sort(), ...paused]);
  return [...ids].map((id) => {
    const endpoint = known.get(id);
    const { pausedAt = null, reason = null } = states.get(id) ?? {};
    const own = deliveries.filter((one) => one.endpoint === id);
    const count = (state: string) => own.find((one) => one.state === state)?.count ?? 0;
    const open = own.filter(({ state }) => state !== "dead" && state !== "delivered" && state !== "canceled");
    return {
      id,
      // An operator's address may carry a password, or a token in its query.
      url: endpoint ? withoutQuery(endpoint.url) : null,
      events: endpoint?.events ?? [],
      body: endpoint?.body ?? null,
      send: endpoint?.send ?? null,
      order: endpoint?.order ?? null,
      state: endpoint === undefined ? "removed" : pausedAt === null ? "active" : "paused",
      pausedAt: pausedAt === null ? null : isoTime(pausedAt),
      reason,
      waiting: count("waiting"),
      pending: count("pending"),
      running: count("running"),
      dead: count("dead"),
      oldest: open.length === 0 ? null : isoTime(Math.min(...open.map((one) => one.oldest))),
    };
  });
}

type Target = { store: Store; config: Pick<Config, "endpoints">; id: string };

/** Sends nothing to it until it is resumed; what comes meanwhile waits. */
export async function pauseEndpoint(target: Target, reason: string, now: number): Promise<EndpointJson> {
  await find(target);
  await target.store.pauseEndpoint(target.id, reason, now);
  return find(target);
}

export async function resumeEndpoint(target: Target): Promise<EndpointJson> {
  await find(target);
  await target.store.resumeEndpoint(target.id);
  return find(target);
}

async function find({ store, config, id }: Target): Promise<EndpointJson> {
  const all = await listEndpoints(store, config);
  const found = all.find((endpoint) => endpoint.id === id);
  if (found) return found;
  const known = all.map((endpoint) => endpoint.id);
  throw new RelayError("not_found", `no endpoint "${id}"${known.length > 0 ? suggest(id, known) : ""}`);
}
