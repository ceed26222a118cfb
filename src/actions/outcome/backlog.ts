import type { Store } from "../../store/store.ts";
import type { EndpointJson } from "../endpoints.ts";
import { relativeTime } from "../format.ts";
import { isoTime } from "../json.ts";
import { drain, drainSince } from "./drain.ts";
import { describeHeld, type Held, heldOf } from "./held.ts";

/**
 * What is open for an endpoint; how many of that wait for media, and until when the newest of these does at most (null: none);
 * how many were delivered a minute of late, and how many minutes those that wait for nothing take at that rate, if nothing new
 * comes; null: there are none, the endpoint is paused, failing or removed, or none was delivered of late. `held`: what stands
 * behind events that the endpoint does not take, while it takes others.
 */
export type Backlog = {
  endpoint: string;
  open: number;
  waiting: number;
  waitUntil: string | null;
  perMinute: number;
  minutesLeft: number | null;
  held: Held | null;
};

/** Of the endpoints for which something is open. `now`: milliseconds since 1970. */
export async function readBacklog(
  store: Pick<Store, "tallies" | "deliveries" | "heldUp">,
  endpoints: Pick<EndpointJson, "id" | "state" | "waiting" | "pending" | "running">[],
  now: number,
): Promise<Backlog[]> {
  const behind = endpoints.filter(({ waiting, pending, running }) => waiting + pending + running > 0);
  if (behind.length === 0) return [];
  // One that is paused, failing or removed is held as a whole.
  const active = behind.filter(({ state }) => state === "active").map(({ id }) => id);
  const [tallies, heldUp] = await Promise.all([
    store.tallies({ kind: "deliveries", since: drainSince(now) }),
    store.heldUp(active),
  ]);
  return Promise.all(
    behind.map(async ({ id, state, waiting, pending, running }) => {
      const stuck = heldUp.find(({ endpoint }) => endpoint === id);
      // What has failed goes by its schedule, and what is behind it after that: at no rate.
      const goes = pending + running - (stuck === undefined ? 0 : stuck.failed + stuck.behind);
      const own = tallies.filter(({ label }) => label === id).sort((a, b) => a.hour - b.hour);
      const delivered = own.map(({ hour, ok }) => ({ hour, count: ok }));
      const { perMinute, minutesLeft } = drain(goes, delivered, now);
      const last = own.findLast(({ ok, failed }) => ok + failed > 0);
      const isKnown = state === "active" && !stuck?.isMore && goes > 0 && last !== undefined && last.ok > 0;
      const [newest] = waiting === 0 ? [] : await store.deliveries({ endpoint: id, state: "waiting", limit: 1 });
      return {
        ...{
          endpoint: id,
          open: waiting + pending + running,
          waiting,
          waitUntil: isoTime(newest?.nextAttemptAt ?? null),
        },
        ...{ perMinute, minutesLeft: isKnown ? minutesLeft : null, held: heldOf(stuck) },
      };
    }),
  );
}

/** `824 open; 6 wait for media (30 min left); 120 are delivered a minute: about 7 min if nothing new comes` */
export function describeBacklog(
  { open, waiting, waitUntil, perMinute, minutesLeft, held }: Backlog,
  now: number,
): string {
  const words = waiting === open ? [] : [`${open} open`];
  const end = waitUntil === null ? now : Date.parse(waitUntil);
  const until = end > now ? ` (${relativeTime(end, now).replace(/^in /, "")} left)` : "";
  if (waiting > 0) words.push(`${waiting === 1 ? "1 waits" : `${waiting} wait`} for media${until}`);
  if (held !== null) words.push(describeHeld(held));
  if (minutesLeft !== null) {
    const left = minutesLeft < 120 ? `${minutesLeft} min` : `${Math.round(minutesLeft / 60)} h`;
    words.push(`${perMinute} are delivered a minute: about ${left} if nothing new comes`);
  }
  return words.join("; ");
}
