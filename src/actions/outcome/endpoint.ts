import type { Config, Endpoint } from "../../config/schema.ts";
import type { Store } from "../../store/store.ts";
import { type EndpointJson, showEndpoint } from "../endpoints.ts";
import { formatSpan, shortTime } from "../format.ts";
import { describeHeld, type Held, heldOf } from "./held.ts";
import { type EndpointHour, readEndpointHours } from "./hours.ts";
import { listUndelivered, type Undelivered } from "./of-video.ts";

/**
 * One endpoint: its state with `why`, in words, nothing or little is sent to it; how it is configured (`settings`, null where it
 * has left the config); its last `hours`, and of what it lacks the newest `limit`, newest first. `more`: there is further of that.
 */
export async function explainEndpoint(
  { store, config, id }: { store: Store; config: Pick<Config, "endpoints" | "file">; id: string },
  { limit, hours, now }: { limit: number; hours?: number | undefined; now: number },
): Promise<{ endpoint: EndpointDetails; more: boolean }> {
  const endpoint = await showEndpoint({ store, config, id });
  const { undelivered, more } = await listUndelivered(store, { endpoint: id }, limit);
  const configured = config.endpoints.find((one) => one.id === id);
  const settings = configured === undefined ? null : describeSettings(configured);
  const ofHours = (await readEndpointHours(store, [id], { now, count: hours })).get(id)!;
  const [stuck] = endpoint.state === "active" ? await store.heldUp([id]) : [];
  return {
    endpoint: { ...endpoint, why: whyHeld(endpoint, heldOf(stuck)), settings, hours: ofHours, undelivered },
    more,
  };
}

export type EndpointDetails = EndpointJson & {
  why: string;
  settings: Record<string, string | number | null> | null;
  hours: EndpointHour[];
  undelivered: Undelivered[];
};

/** What holds an endpoint's deliveries, and what ends that. */
export function whyHeld(
  endpoint: Pick<
    EndpointJson,
    "id" | "state" | "pausedAt" | "reason" | "failingSince" | "nextProbeAt" | "waiting" | "pending" | "running"
  >,
  held: Held | null = null,
): string {
  const { id, state, pausedAt, reason, failingSince, nextProbeAt, waiting, pending, running } = endpoint;
  const open = waiting + pending + running;
  switch (state) {
    case "removed":
      return `nothing is sent: it is not in the config, and what there is for it (${open}) is held`;
    case "paused": {
      const since = pausedAt === null ? "" : ` since ${shortTime(pausedAt)}`;
      const end = pausedAt === null ? 'until "paused" is taken out of the config' : `until "endpoints resume ${id}"`;
      return `nothing is sent: it is paused${since}${reason === null ? "" : ` (${reason})`}, ${end}`;
    }
    case "failing":
      return `only probes are sent: it fails since ${shortTime(failingSince)} (${reason}); the next is at ${shortTime(nextProbeAt)}`;
    case "active":
      if (open === 0) return "nothing waits for it";
      return `${open} on their way${held === null ? "" : `; ${describeHeld(held)}`}`;
  }
}

/** The options that decide what it gets and how, as they hold now; durations in words. */
export function describeSettings(endpoint: Endpoint): Record<string, string | number | null> {
  const { timeout, concurrency, ratePerSecond, retry, maxWait, laneHold, coalesce, allowPrivateAddresses } = endpoint;
  return {
    timeout: formatSpan(timeout),
    concurrency,
    ratePerSecond,
    retry: retry.map(formatSpan).join(", "),
    maxWait: formatSpan(maxWait),
    laneHold: formatSpan(laneHold),
    coalesce: coalesce.join(" ") || null,
    allowPrivateAddresses: String(allowPrivateAddresses),
  };
}
