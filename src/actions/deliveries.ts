import { errorLine, RelayError } from "../errors.ts";
import type { JobState } from "../model/job.ts";
import type { Page, Store } from "../store/store.ts";
import { attemptJson, type DeliveryJson, deliveryJson } from "./json.ts";
import { collectIds, type Done, idOf, walk } from "./paging.ts";

export type DeliveryWish = Page & { endpoint?: string; state?: JobState; eventId?: string; videoId?: string };

/** Which deliveries are meant, when it is not one. */
export type DeliveryFilter = Pick<DeliveryWish, "endpoint" | "state" | "eventId" | "videoId" | "since" | "until">;

export async function* listDeliveries(store: Store, wish: DeliveryWish): AsyncGenerator<DeliveryJson> {
  for await (const delivery of walk((page) => store.deliveries({ ...wish, ...page }), idOf, wish)) {
    yield deliveryJson(delivery);
  }
}

/** One delivery with its newest `limit` attempts, the first one first; `more`: there were further ones before. */
export async function showDelivery(store: Store, id: string, limit: number) {
  const delivery = await store.delivery(id, limit + 1);
  const { videoId, replay, attemptLog } = delivery;
  const attempts = attemptLog.slice(-limit).map(attemptJson);
  return {
    delivery: { ...deliveryJson(delivery), videoId, replay, attemptLog: attempts },
    more: attemptLog.length > limit,
  };
}

/** The same delivery again, at once, with all of its attempts. */
export async function retryDelivery(store: Store, id: string, now: number): Promise<DeliveryJson> {
  await store.retryDelivery(id, now);
  return deliveryJson(await store.delivery(id, 0));
}

export async function cancelDelivery(store: Store, id: string, now: number): Promise<DeliveryJson> {
  await store.cancelDelivery(id, now);
  return deliveryJson(await store.delivery(id, 0));
}

/** Retries all that are meant (the dead ones, unless told), oldest first; what cannot be retried is told and passed over. */
export function retryDeliveries(store: Store, filter: DeliveryFilter, now: () => number): AsyncGenerator<Done> {
  return doToAll(store, { states: [filter.state ?? "dead"], newestFirst: false }, filter, (id) =>
    store.retryDelivery(id, now()),
  );
}

/**
 * Cancels all that are meant (all that have not ended, unless told), newest first: canceling the first of a lane releases
 * the next, which must not go out on the way.
 */
export function cancelDeliveries(store: Store, filter: DeliveryFilter, now: () => number): AsyncGenerator<Done> {
  const states: JobState[] = filter.state === undefined ? ["waiting", "pending", "running"] : [filter.state];
  return doToAll(store, { states, newestFirst: true }, filter, (id) => store.cancelDelivery(id, now()));
}

async function* doToAll(
  store: Store,
  { states, newestFirst }: { states: JobState[]; newestFirst: boolean },
  filter: DeliveryFilter,
  act: (id: string) => Promise<void>,
): AsyncGenerator<Done> {
  if (filter.endpoint === undefined && filter.eventId === undefined && filter.videoId === undefined) {
    throw new RelayError("usage", "name a delivery, or an endpoint, an event or a video whose deliveries are meant");
  }
  const ids: string[] = [];
  for (const state of states) {
    const list = (page: Page) => store.deliveries({ ...page, ...filter, state });
    ids.push(...(await collectIds(list, filter)));
  }
  // Ids sort by the time they were given.
  if (newestFirst) ids.sort().reverse();
  for (const id of ids) {
    try {
      await act(id);
      yield { id, error: null };
    } catch (error) {
      yield { id, error: errorLine(error) };
    }
  }
}
