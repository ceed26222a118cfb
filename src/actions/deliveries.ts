import { RelayError } from "../errors.ts";
import type { JobState } from "../model/job.ts";
import { describeWait } from "../rules/waits.ts";
import type { Store } from "../store/store.ts";
import { shortTime } from "./format.ts";
import { attemptJson, type DeliveryJson, deliveryJson, isoTime } from "./json.ts";
import { collectIds, type Done, doToAll, list, type Selection, walk } from "./list.ts";

export const deliveries = list({
  filters: {
    endpoint: { value: "ID", help: "only to this endpoint" },
    state: {
      words: ["waiting", "pending", "running", "delivered", "dead", "canceled", "superseded"],
      help: "only in this state",
    },
    eventId: { value: "ID", option: "event", help: "only of this event" },
    videoId: { value: "ID", help: "only of this video" },
  },
  rows: ({ store }, query) => walk((page) => store.deliveries(page), query, deliveryJson),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "EVENT", value: ({ eventId }) => eventId, whole: true },
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "STATE", value: ({ state }) => state, whole: true },
    { title: "TRIES", value: ({ attempts }) => attempts, whole: true },
    { title: "NEXT", value: ({ nextAttemptAt }) => shortTime(nextAttemptAt), whole: true },
    { title: "ERROR", value: ({ lastError }) => lastError },
  ],
});

/** Which deliveries are meant, when it is not one. */
export type DeliveryFilter = Selection<typeof deliveries.filters>;

/**
 * One delivery with its newest `limit` attempts, the first one first; `more`: there are further ones before. `why`: what it
 * waits for, in words; null: for nothing.
 */
export async function showDelivery(store: Store, id: string, limit: number) {
  const delivery = await store.delivery(id, limit + 1);
  const { gate, waitsFor, attemptLog } = delivery;
  return {
    delivery: {
      ...deliveryJson(delivery),
      gate: gate && { openedAt: isoTime(gate.openedAt), by: gate.by },
      attemptLog: attemptLog.slice(-limit).map(attemptJson),
    },
    why: waitsFor && describeWait(waitsFor, (time) => shortTime(isoTime(time))!),
    more: attemptLog.length > limit,
  };
}

/** The same delivery again, at once, with a fresh budget of attempts. */
export async function retryDelivery(store: Store, id: string, now: number): Promise<DeliveryJson> {
  await store.retryDelivery(id, now);
  return deliveryJson(await store.delivery(id, 0));
}

export async function cancelDelivery(store: Store, id: string, now: number): Promise<DeliveryJson> {
  await store.cancelDelivery(id, now);
  return deliveryJson(await store.delivery(id, 0));
}

/** Retries all that match (the dead ones, unless `state` is given), oldest first; a failure does not end it. */
export async function* retryDeliveries(store: Store, filter: DeliveryFilter, now: () => number): AsyncGenerator<Done> {
  const ids = await matching(store, filter, ["dead"]);
  yield* doToAll(ids, (id) => store.retryDelivery(id, now()));
}

/** The states of a delivery that has not ended. */
const OPEN: JobState[] = ["waiting", "pending", "running"];

/**
 * Cancels all that match (all that have not ended, unless `state` is given), newest first: canceling the head of a lane
 * releases the next one, which must not be sent meanwhile. What ends between the list and its turn is skipped.
 */
export async function* cancelDeliveries(store: Store, filter: DeliveryFilter, now: () => number): AsyncGenerator<Done> {
  const ids = await matching(store, filter, OPEN);
  const wereOpen = filter.state === undefined || OPEN.includes(filter.state);
  const hasEnded = (error: unknown) => wereOpen && error instanceof RelayError && error.code === "conflict";
  // Ids sort by the time they were given.
  yield* doToAll(ids.sort().reverse(), (id) => store.cancelDelivery(id, now()), hasEnded);
}

async function matching(store: Store, filter: DeliveryFilter, usual: JobState[]): Promise<string[]> {
  const { endpoint, eventId, videoId, state } = filter;
  if (endpoint === undefined && eventId === undefined && videoId === undefined) {
    throw new RelayError("usage", "name a delivery, or an endpoint, an event or a video whose deliveries are meant");
  }
  const ids: string[] = [];
  for (const each of state === undefined ? usual : [state]) {
    ids.push(...(await collectIds((page) => store.deliveries(page), { ...filter, state: each })));
  }
  return ids;
}
