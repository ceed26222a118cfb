import type { Store } from "../../store/store.ts";
import type { EndpointJson } from "../endpoints.ts";
import { drain, drainSince } from "./drain.ts";

/**
 * What is open for an endpoint, how many deliveries ended a minute of late, and how many minutes the rest takes at that rate, if
 * nothing new comes; null: it is paused, failing or removed, or none ended of late.
 */
export type Backlog = { endpoint: string; open: number; perMinute: number; minutesLeft: number | null };

/** Of the endpoints for which something is open. `now`: milliseconds since 1970. */
export async function readBacklog(
  store: Pick<Store, "tallies">,
  endpoints: EndpointJson[],
  now: number,
): Promise<Backlog[]> {
  const behind = endpoints.filter(({ waiting, pending, running }) => waiting + pending + running > 0);
  if (behind.length === 0) return [];
  const tallies = await store.tallies({ kind: "deliveries", since: drainSince(now) });
  return behind.map(({ id, state, waiting, pending, running }) => {
    const open = waiting + pending + running;
    const ended = tallies
      .filter(({ label }) => label === id)
      .map(({ hour, ok, failed }) => ({ hour, count: ok + failed }));
    const { perMinute, minutesLeft } = drain(open, ended, now);
    return { endpoint: id, open, perMinute, minutesLeft: state === "active" ? minutesLeft : null };
  });
}

/** `818 open, 120 end a minute: about 7 min if nothing new comes` */
export function describeBacklog({ open, perMinute, minutesLeft }: Backlog): string {
  if (minutesLeft === null) return `${open} open`;
  const left = minutesLeft < 120 ? `${minutesLeft} min` : `${Math.round(minutesLeft / 60)} h`;
  return `${open} open, ${perMinute} end a minute: about ${left} if nothing new comes`;
}
