import type { JobState } from "../model/job.ts";
import type { Store } from "../store/store.ts";
import { inStates, typeFilter, typesOf } from "./filters/types.ts";
import { shortTime } from "./format.ts";
import { attemptJson, type DeliveryJson, deliveryJson, isoTime, reasonJson } from "./json.ts";
import { list, walk } from "./list.ts";
import { describeWaitOf, readAhead } from "./outcome/ahead.ts";

/** Types and states as the store takes them. */
export const wishOf = ({ type, state }: { type?: string | undefined; state?: string | undefined }) => ({
  ...{ type: undefined, types: typesOf(type) },
  ...inStates<JobState>({ state }),
});

export const deliveries = list({
  filters: {
    endpoint: { value: "ENDPOINT", help: "only to this endpoint" },
    state: {
      isMany: true,
      words: ["waiting", "pending", "running", "delivered", "dead", "canceled", "superseded"],
      help: "only in this state, or in one of these",
    },
    type: typeFilter,
    error: { help: "only what failed with exactly this the last time" },
    failedSince: {
      isTime: true,
      value: "TIME",
      help: "only what failed, with its last attempt from this time on; the last one first",
    },
    eventId: { value: "ID", option: "event", help: "only of this event" },
    videoId: { value: "ID", help: "only of this video" },
  },
  rows: ({ store }, query) => walk((page) => store.deliveries(page), { ...query, ...wishOf(query) }, deliveryJson),
  total: ({ store }, filter) => store.countListed({ list: "deliveries", filter: { ...filter, ...wishOf(filter) } }),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "MADE", value: ({ createdAt }) => shortTime(createdAt), whole: true, spare: 3 },
    { title: "EVENT", value: ({ eventId }) => eventId, whole: true, spare: 5 },
    { title: "TYPE", value: ({ type }) => type, spare: 2 },
    { title: "VIDEO", value: ({ videoId }) => videoId, least: 10, spare: 1 },
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "STATE", value: ({ state }) => state, whole: true },
    { title: "TRIES", value: ({ attempts }) => attempts, whole: true, spare: 4 },
    { title: "NEXT", value: (row) => nextOf(row), whole: true },
    { title: "ERROR", value: ({ lastError }) => lastError, below: true },
  ],
});

/** What failed, by endpoint and error: the dead ones unless `state` says otherwise, the most frequent first. */
export const deliveryReasons = list({
  filters: deliveries.filters,
  async *rows({ store }, { limit, before: _, ...filter }) {
    const reasons = await store.deliveryReasons({ ...filter, ...wishOf(filter) });
    yield* reasons.slice(0, limit).map(reasonJson);
  },
  columns: [
    { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
    { title: "COUNT", value: ({ count, isMore }) => `${count}${isMore ? "+" : ""}`, whole: true },
    { title: "LAST", value: ({ lastAt }) => shortTime(lastAt), whole: true },
    { title: "ERROR", value: ({ error }) => error, below: true },
    { title: "SAMPLE", value: ({ sample }) => sample, whole: true, spare: 1 },
    { title: "ANSWER", value: ({ answer }) => answer, below: true },
  ],
});

/** When a delivery is attempted next, or what holds it. */
export function nextOf({ waitsFor, nextAttemptAt }: Pick<DeliveryJson, "waitsFor" | "nextAttemptAt">): string | null {
  switch (waitsFor?.is) {
    case "removed":
      return "held: not in the config";
    case "pause":
      return "paused";
    case "lane":
      return "after another";
    case "breaker":
      return `probes, ${shortTime(waitsFor.until)}`;
    case "gate":
      return `media, or ${shortTime(waitsFor.until)}`;
    default:
      return shortTime(nextAttemptAt);
  }
}

/**
 * One delivery with its newest `limit` attempts, the first one first; `more`: there are further ones before. `why`: what it
 * waits for, in words; null: for nothing. `ahead`: the one that goes first, where one does.
 */
export async function showDelivery(store: Store, id: string, limit: number) {
  const delivery = await store.delivery(id, limit + 1);
  const { gate, attemptLog } = delivery;
  const before = await readAhead(store, [delivery]);
  const [ahead] = before.values();
  return {
    delivery: {
      ...deliveryJson(delivery),
      gate: gate && { openedAt: isoTime(gate.openedAt), by: gate.by },
      attemptLog: attemptLog.slice(-limit).map(attemptJson),
    },
    why: describeWaitOf(delivery, before),
    ahead: ahead === undefined ? null : deliveryJson(ahead),
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
