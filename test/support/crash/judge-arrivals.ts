import type { Delivery } from "../../../src/model/delivery.ts";
import { topicMatches } from "../../../src/rules/topics.ts";
import type { Arrival } from "./app.ts";
import type { Check, Known } from "./judge.ts";
import type { Replay } from "./operator.ts";

/** Every delivery was delivered, or gave way to one that was. */
export function judgeDeliveries(deliveries: Delivery[], check: Check): void {
  const byId = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
  for (const delivery of deliveries) {
    const { id, endpoint, state, lastError, videoId } = delivery;
    let end = delivery;
    for (let steps = 0; end.state === "superseded" && steps < deliveries.length; steps++) {
      const next = byId.get(end.supersededBy ?? "");
      if (next === undefined || next.endpoint !== endpoint || next.videoId !== videoId) break;
      end = next;
    }
    check(
      end.state === "delivered",
      () => `${id} to ${endpoint} ended as ${state}, ${end.id} as ${end.state}: ${lastError}`,
    );
  }
}

/**
 * At least once everywhere, and never one ahead of another of its video that was not taken yet, and not superseded. A replay
 * comes after the events before its own, and before later ones that had not begun.
 */
export function judgeArrivals(given: {
  events: Map<string, Known>;
  arrivals: Arrival[];
  deliveries: Delivery[];
  replays: Replay[];
  endpoints: { id: string; events: string[] }[];
  check: Check;
}): void {
  const { events, arrivals, deliveries, endpoints, check } = given;
  const superseded = new Set(
    deliveries
      .filter(({ state, replay }) => state === "superseded" && !replay)
      .map(({ endpoint, eventId }) => `${endpoint} ${eventId}`),
  );
  for (const { id: endpoint, events: patterns } of endpoints) {
    const wanted = new Map<string, Known[]>();
    for (const event of events.values()) {
      if (!topicMatches(patterns, event.type ?? event.posted.type)) continue;
      wanted.set(event.videoId, [...(wanted.get(event.videoId) ?? []), event]);
    }
    for (const ofVideo of wanted.values()) ofVideo.sort((a, b) => a.sequence - b.sequence);
    const next = new Map<string, number>();
    /** The first that must be taken still. */
    const dueOf = (videoId: string): number => {
      const ofVideo = wanted.get(videoId) ?? [];
      let due = next.get(videoId) ?? 0;
      while (due < ofVideo.length && superseded.has(`${endpoint} ${ofVideo[due]!.id}`)) due++;
      return due;
    };
    for (const arrival of arrivals) {
      if (arrival.endpoint !== endpoint) continue;
      const event = events.get(arrival.id);
      const say = (what: string) => `${endpoint} got ${arrival.id} ${what}`;
      check(event !== undefined, () => say("which is not stored"));
      if (event === undefined) continue;
      const { videoId, sequence, posted } = event;
      check(arrival.serial === posted.serial, () => say(`with the body of event ${arrival.serial}`));
      check(arrival.sequence === null || arrival.sequence === sequence, () => say(`as number ${arrival.sequence}`));
      const place = wanted.get(videoId)?.indexOf(event) ?? -1;
      check(place >= 0, () => say("which it did not ask for"));
      const due = dueOf(videoId);
      const expected = wanted.get(videoId)?.[due]?.sequence;
      const how = arrival.replay ? "a replay of " : "";
      check(place <= due, () => say(`${how}number ${sequence} of ${videoId}, before ${expected} was taken`));
      check(!arrival.replay || place !== due, () => say(`as a replay, before it was taken`));
      if (arrival.taken && place === due) next.set(videoId, due + 1);
    }
    for (const [videoId, ofVideo] of wanted) {
      const missing = ofVideo.slice(dueOf(videoId)).filter(({ id }) => !superseded.has(`${endpoint} ${id}`));
      check(
        missing.length === 0,
        () => `${endpoint} never took number ${missing.map(({ sequence }) => sequence)} of ${videoId}`,
      );
    }
  }
  for (const replay of given.replays) judgeReplay(replay, given);
}

/** A lane has one attempt at a time: so one later event, at most, comes between the making of a replay and its being taken. */
function judgeReplay(
  { eventId, endpoint, deliveryId, since }: Replay,
  { events, arrivals, check }: { events: Map<string, Known>; arrivals: Arrival[]; check: Check },
): void {
  if (since === null) return;
  const event = events.get(eventId);
  const isIt = ({ id, replay, taken, ...arrival }: Arrival) =>
    id === eventId && arrival.endpoint === endpoint && replay && taken;
  // It may have come before its command had ended.
  const taken = arrivals.findIndex(isIt);
  const later = new Set<number>();
  for (const arrival of arrivals.slice(since, Math.max(since, taken))) {
    const other = events.get(arrival.id);
    if (arrival.endpoint !== endpoint || event === undefined || other?.videoId !== event.videoId) continue;
    if (other.sequence > event.sequence) later.add(other.sequence);
  }
  check(taken >= 0, () => `${endpoint} never took the replay ${deliveryId} of ${eventId}`);
  check(
    later.size <= 1,
    () =>
      `${endpoint} got number ${[...later].join()} of ${event?.videoId} ahead of the replay ${deliveryId} of ${event?.sequence}`,
  );
}
