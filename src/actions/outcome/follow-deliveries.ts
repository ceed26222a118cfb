import type { Delivery } from "../../model/delivery.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { DeliveryFilter } from "../../store/filters.ts";
import type { Store } from "../../store/store.ts";
import { type DeliveryJson, deliveryJson } from "../json.ts";
import { collect, walk } from "../list.ts";

/** How often others' commits are looked for, in milliseconds. */
const LOOK_EVERY = 1_000;

/** Deliveries that have not ended, and are watched; new ones, and failed ones, of one look. */
const WATCHED = 500;
const PER_LOOK = 2_000;

/** Failures are asked for from this long before the last look, in milliseconds: what was seen already is left out. */
const OVERLAP = 10_000;

type Followed = Pick<Store, "deliveries" | "delivery" | "changeMark">;

/**
 * Deliveries as they are made, and again as each of their attempts has ended; those of one look in the order of their making.
 * First the newest `last` that match. With `state` those that are in it. Of what waited already the newest 500 are watched, and
 * all that fails.
 */
export async function* followDeliveries(
  store: Followed,
  { state, states = state === undefined ? [] : [state], ...others }: DeliveryFilter,
  last: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): AsyncGenerator<DeliveryJson[]> {
  const all = (wish: DeliveryFilter, limit: number) =>
    collect(walk((page) => store.deliveries(page), { ...others, ...wish, limit }));
  /** How each was that is known: by its id. */
  const known = new Map<string, string>();
  const isNew = (one: Delivery) => known.get(one.id) !== markOf(one);
  const matches = (one: Delivery) => (states.length === 0 ? one.state !== "running" : states.includes(one.state));

  let since = clock.now();
  let [newest] = (await all({}, 1)).map(({ id }) => id);
  for (const open of ["waiting", "pending", "running"] as const) {
    for (const one of await all({ state: open }, WATCHED)) known.set(one.id, markOf(one));
  }
  const first = await all(states.length === 0 ? {} : { states }, last);
  for (const one of first) known.set(one.id, markOf(one));
  yield first.reverse().map(deliveryJson);

  while (!signal.aborted) {
    const mark = await store.changeMark();
    const from = since - OVERLAP;
    since = clock.now();
    const found = new Map((await newer(newest)).map((one) => [one.id, one]));
    for (const one of await all({ failedSince: from }, PER_LOOK)) found.set(one.id, one);
    for (const id of openOnes()) if (!found.has(id)) found.set(id, await store.delivery(id, 0));
    const changed = [...found.values()].filter(isNew).sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const one of changed) {
      known.delete(one.id);
      known.set(one.id, markOf(one));
      if (newest === undefined || one.id > newest) newest = one.id;
    }
    for (const id of known.keys()) {
      if (known.size <= PER_LOOK) break;
      known.delete(id);
    }
    const shown = changed.filter(matches);
    if (shown.length > 0) yield shown.map(deliveryJson);
    while (!signal.aborted && (await store.changeMark()) === mark) await sleep(LOOK_EVERY, clock, signal);
  }

  /** Those that were made after this one. */
  async function newer(than: string | undefined): Promise<Delivery[]> {
    const rows: Delivery[] = [];
    for await (const one of walk((page) => store.deliveries(page), { ...others, limit: PER_LOOK })) {
      if (than !== undefined && one.id <= than) break;
      rows.push(one);
    }
    return rows;
  }

  function openOnes(): string[] {
    const open = [...known].filter(([, mark]) => IS_OPEN.test(mark));
    return open.slice(-WATCHED).map(([id]) => id);
  }
}

const IS_OPEN = /^(waiting|pending|running) /;

const markOf = ({ state, attempts }: Pick<Delivery, "state" | "attempts">) => `${state} ${attempts}`;
