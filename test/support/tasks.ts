import assert from "node:assert/strict";
import type { Task, TaskItem, TaskWish } from "../../src/model/task.ts";
import type { Store } from "../../src/store/store.ts";

export const LEASE = 30_000;

/** Makes a task that is worked in pieces of `size`, and confirms what it counts. */
export async function makeTask(store: Store, wish: TaskWish, now: number, size = 100): Promise<string> {
  const { id } = await store.createTask({ ...wish, by: "test", rate: size, leaseFor: LEASE }, now);
  await store.confirmTask(id, (await store.countMatching({ ...wish, taskId: id }, null)).count);
  return id;
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
