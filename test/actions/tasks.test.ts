import assert from "node:assert/strict";
import { test } from "node:test";
import { cancelTask, countMatching, showTask, startTask } from "../../src/actions/tasks.ts";
import type { TaskWish } from "../../src/model/task.ts";
import { realPorts } from "../support/real-ports.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { workTask } from "../support/tasks.ts";

const RETRY: TaskWish = { verb: "retry", filter: { endpoint: "app" } };

test("what was confirmed binds: more is refused and nothing is done, as many or fewer are taken", async (t) => {
  const seeded = await openSeeded(t);
  const { store } = seeded;
  const { clock } = realPorts();
  for (const video of ["v1", "v2", "v3"]) await seeded.take(ready(video));
  await seeded.deliver("app", "dead");
  assert.deepEqual((await countMatching(store, RETRY)).byEndpoint, { app: 3 });
  const start = (expect: number | null) => startTask(store, RETRY, { by: "test", expect }, clock);
  await assert.rejects(start(2), { code: "count_changed", message: /^3 match by now, 2 were confirmed/ });
  const [refused] = await store.tasks({ limit: 9 });
  assert.deepEqual([refused!.state, refused!.done], ["canceled", 0]);
  assert.equal((await countMatching(store, RETRY)).count, 3);
  const { id, total } = await start(4);
  assert.equal(total, 3);
  await assert.rejects(start(null), { code: "task_running" });
  const { task } = await workTask(store, id, clock.now);
  assert.deepEqual([task.done, task.state], [3, "done"]);
  await assert.rejects(cancelTask(store, id, clock.now()), { code: "conflict" });
});

test("a task is shown by the names of the API; one that is counted is queued", async (t) => {
  const { store } = await openSeeded(t);
  const { id } = await store.createTask(
    { verb: "replay", filter: { since: 0 }, newId: true, by: "ada", rate: 5, leaseFor: 1_000 },
    Date.UTC(2026, 0, 1),
  );
  assert.deepEqual(await showTask(store, id), {
    ...{ id, verb: "replay", by: "ada", filter: { since: 0 }, newId: true, state: "queued", total: null },
    ...{ done: 0, failed: 0, skipped: 0, error: null, ratePerSecond: 5 },
    ...{ createdAt: "2026-01-01T00:00:00.000Z", endedAt: null, countingUntil: "2026-01-01T00:00:01.000Z" },
  });
});

test("what narrows nothing down is refused, and a state in which nothing can be done", async (t) => {
  const { store } = await openSeeded(t);
  for (const wish of [
    { verb: "retry", filter: {} },
    { verb: "replay", filter: { since: undefined } },
    { verb: "retry", filter: { state: "delivered" } },
    { verb: "cancel", filter: { state: "dead" } },
  ] as const) {
    await assert.rejects(countMatching(store, wish), { code: "usage" }, JSON.stringify(wish));
  }
  assert.equal((await countMatching(store, { verb: "replay", filter: {}, onlyDead: true })).count, 0);
  const never = startTask(store, RETRY, { by: "test", rate: 1e-300 }, realPorts().clock);
  await assert.rejects(never, { code: "usage", message: "a rate is at least 0.001 a second" });
});

test("a count ends with the wish for it", async (t) => {
  const { store } = await openSeeded(t);
  const client = new AbortController();
  let parts = 0;
  const endless: typeof store.countMatching = async (...wish) => {
    if (++parts === 3) client.abort();
    return { ...(await store.countMatching(...wish)), next: parts < 9 ? "[0,0]" : null };
  };
  await assert.rejects(countMatching({ ...store, countMatching: endless }, RETRY, client.signal), {
    name: "AbortError",
  });
  assert.equal(parts, 3);
});
