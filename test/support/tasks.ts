import assert from "node:assert/strict";
import type { Task, TaskItem, TaskWish } from "../../src/model/task.ts";
import type { Store } from "../../src/store/store.ts";
import { answered } from "./outcomes.ts";

export const LEASE = 30_000;

/** Makes a task that is worked in pieces of `size`, and confirms what it counts. */
export async function makeTask(store: Store, wish: TaskWish, now: number, size = 100): Promise<string> {
  const { id } = await store.createTask({ ...wish, by: "test", rate: size, leaseFor: LEASE }, now);
  await store.confirmTask(id, (await store.countMatching({ ...wish, taskId: id }, null)).count);
  return id;
}

/** Events of so many videos, each with so many dead deliveries to "app"; `nth` numbers those of a video. */
export async function seedDead(store: Store, videos: number, each = 1): Promise<void> {
  for (let nth = 0; nth < each; nth++) {
    const bodies = Array.from({ length: videos }, (_, at) => ({ type: "draft.exit", wochitVideoId: `v${at}`, nth }));
    const received = { receivedAt: Date.now(), sourceAddress: "192.0.2.1" };
    await Promise.all(bodies.map((body) => store.accept({ ...received, body: Buffer.from(JSON.stringify(body)) })));
  }
  for (;;) {
    const wish = { endpoint: "app", now: Date.now(), limit: 1_000, leaseFor: LEASE };
    const { jobs } = await store.claimDeliveries(wish);
    if (jobs.length === 0) return;
    const dies = answered(500, { at: Date.now(), isLast: true });
    await Promise.all(jobs.map((job) => store.settleDelivery(job, dies, Date.now())));
  }
}

export async function claimTask(store: Store, id: string, now: number) {
  const { job } = await store.claimTask({ id, now, leaseFor: LEASE });
  assert.ok(job);
  return job;
}

/** Works a task to its end. `between`: after each piece but the last. Resolves with the items in order. */
export async function workTask(
  store: Store,
  id: string,
  now: () => number,
  between: () => Promise<unknown> = async () => {},
): Promise<{ items: TaskItem[]; task: Task }> {
  const job = await claimTask(store, id, now());
  const items: TaskItem[] = [];
  for (;;) {
    const piece = await store.taskPiece(id);
    items.push(...piece.items);
    const { isOurs, ended } = await store.workTask(job, piece, LEASE, now());
    assert.ok(isOurs);
    if (ended !== null) return { items, task: await store.task(id) };
    await between();
  }
}
