import assert from "node:assert/strict";
import type { Delivery } from "../../src/model/delivery.ts";
import type { TaskFilter, TaskItem, TaskVerb, TaskWish } from "../../src/model/task.ts";
import { LEASE } from "../support/tasks.ts";
import { type Bench, checker, type OpenStore } from "./store.ts";
import { DELIVERIES, ENDPOINTS, EVENTS, eventsOf, fill, isDeliveryOf, isEventOf, pairs } from "./store-lists.ts";

const ALL = { limit: 10_000 };

const FIT: Partial<Record<TaskVerb, Delivery["state"][]>> = {
  retry: ["dead"],
  cancel: ["waiting", "pending", "running"],
};

/** What a task takes is what the list with its filters has, in order of the events. */
export function storeTaskFiltersContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a task takes of the deliveries those that a list by its filters has, piece by piece in order of their events",
    async (at) => {
      const { store } = at;
      // More than one step looks at.
      for (let n = 0; n < 3; n++) await fill(at);
      const every = await store.deliveries(ALL);
      const events = new Map((await eventsOf(store, every)).map((event) => [event.id, event]));
      const [since, until] = [every[Math.floor(every.length * 0.8)]!.createdAt, every[3]!.createdAt];
      const some = [...DELIVERIES, ...every.slice(0, 2).map(({ eventId }) => ({ eventId })), { since }, { until }];
      const filters: TaskFilter[] = [...pairs<TaskFilter>(some), { since, until }];
      let matched = 0;
      for (const verb of ["retry", "cancel"] as const) {
        for (const [index, { since, until, ...filter }] of filters.entries()) {
          const isOf = (one: Delivery) =>
            (filter.states ?? (filter.state === undefined ? FIT[verb]! : [filter.state])).includes(one.state) &&
            (since ?? 0) <= one.createdAt &&
            one.createdAt < (until ?? Number.POSITIVE_INFINITY) &&
            isDeliveryOf(one, filter, events);
          const expected = every.filter(isOf).sort(oldestFirst);
          if (verb === "cancel") expected.reverse();
          if (expected.length > 0) matched++;
          const { items, count } = await taken(at, { verb, filter: { ...filter, since, until } }, 1 + (index % 5));
          const words = `${verb} ${JSON.stringify({ ...filter, since, until })}`;
          assert.deepEqual(
            items.map(({ id }) => id),
            expected.map(({ id }) => id),
            words,
          );
          assert.equal(count, expected.length, words);
        }
      }
      assert.ok(matched > filters.length / 3, `${matched} of ${filters.length} match something`);
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "a task takes deliveries that were named, whatever state they can be retried in, and no others",
    async (at) => {
      const { store } = at;
      // More than one step looks at.
      for (let n = 0; n < 3; n++) await fill(at);
      const every = await store.deliveries(ALL);
      const ids = every
        .filter(({ state, endpoint }, nth) => nth % 3 !== 0 || state === "canceled" || endpoint === "rare")
        .map(({ id }) => id);
      const named = every.filter(({ id }) => ids.includes(id)).sort(oldestFirst);
      const names = (states: string[]) => named.filter(({ state }) => states.includes(state)).map(({ id }) => id);
      const takes = async (verb: TaskVerb, filter: TaskFilter) =>
        (await taken(at, { verb, filter: { ids, ...filter } }, 2)).items.map(({ id }) => id);
      assert.deepEqual(await takes("retry", {}), names(["dead", "canceled", "pending", "waiting"]));
      assert.deepEqual(await takes("cancel", {}), names(["pending", "waiting", "running"]).reverse());
      assert.deepEqual(await takes("retry", { state: "dead" }), names(["dead"]));
      const rare = named.filter(({ state, endpoint }) => state === "dead" && endpoint === "rare").map(({ id }) => id);
      assert.deepEqual(await takes("retry", { state: "dead", endpoint: "rare" }), rare);
      assert.ok(rare.length > 0 && names(["canceled"]).length > 0);
      const wish: TaskWish = { verb: "retry", filter: { ids: [ids[0]!, "dlv_nowhere"] } };
      await assert.rejects(store.countMatching(wish, null), { code: "not_found" });
      const made = store.createTask({ ...wish, by: "test", rate: null, leaseFor: LEASE }, at.clock.now());
      await assert.rejects(made, { code: "not_found" });
      assert.deepEqual(await store.tasks({ limit: 1, state: "queued" }), []);
    },
    { endpoints: ENDPOINTS },
  );

  check(
    "a replay takes of the events those that a list by its filters has, the oldest first",
    async (at) => {
      const { store } = at;
      // More than one step looks at.
      for (let n = 0; n < 3; n++) await fill(at);
      const notices = await store.events({ ...ALL, types: ["relay.*"] });
      const provided = await store.events(ALL);
      const deliveries = await store.deliveries(ALL);
      const [since, until] = [provided[Math.floor(provided.length * 0.8)]!.receivedAt, provided[3]!.receivedAt];
      const asked = pairs<TaskFilter>([...EVENTS, { q: "title" }, { since }, { until }]).filter(
        // Where it goes, and no filter; or one of what goes to an endpoint that wants all events.
        ({ endpoint, status }) =>
          endpoint === undefined || (endpoint === "cms" && status !== undefined && status !== "settled"),
      );
      let matched = 0;
      for (const [index, { since, until, q, ...filter }] of asked.entries()) {
        const expected = (filter.types === undefined ? provided : [...provided, ...notices])
          .filter(
            (event) =>
              q === undefined &&
              (since ?? 0) <= event.receivedAt &&
              event.receivedAt < (until ?? Number.POSITIVE_INFINITY) &&
              isEventOf(event, filter, deliveries),
          )
          .map(({ id }) => id)
          .sort();
        if (expected.length > 0) matched++;
        const { items, count } = await taken(
          at,
          { verb: "replay", filter: { ...filter, since, until, q } },
          1 + (index % 5),
        );
        const words = JSON.stringify({ ...filter, since, until, q });
        assert.deepEqual([...new Set(items.map(({ id }) => id))], expected, words);
        assert.equal(count, items.length, words);
      }
      assert.ok(matched > asked.length / 3, `${matched} of ${asked.length} match something`);
    },
    { endpoints: ENDPOINTS },
  );
}

/** What a task takes, in pieces of `size`, and what is counted before; nothing is done. */
async function taken(
  { store, clock }: Bench,
  wish: TaskWish,
  size: number,
): Promise<{ items: TaskItem[]; count: number }> {
  const { id } = await store.createTask({ ...wish, by: "test", rate: size, leaseFor: LEASE }, clock.now());
  let count = 0;
  for (let from: string | null = null; ; ) {
    const part: Awaited<ReturnType<typeof store.countMatching>> = await store.countMatching(
      { ...wish, taskId: id },
      from,
    );
    count += part.count;
    if (part.next === null) break;
    from = part.next;
  }
  await store.confirmTask(id, count);
  const { job } = await store.claimTask({ id, now: clock.now(), leaseFor: LEASE });
  const items: TaskItem[] = [];
  for (;;) {
    const piece = await store.taskPiece(id);
    assert.ok(piece.items.length <= size || wish.verb === "replay");
    items.push(...piece.items);
    if ((await store.workTask(job!, { ...piece, items: [] }, LEASE, clock.now())).ended !== null)
      return { items, count };
  }
}

const oldestFirst = (one: Delivery, other: Delivery) =>
  one.eventId === other.eventId ? (one.id < other.id ? -1 : 1) : one.eventId < other.eventId ? -1 : 1;
