import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createBufferPool, type PooledBuffer } from "../../../src/targets/s3/buffer-pool.ts";
import { partSizeOf } from "../../../src/targets/s3/part-size.ts";

const MIB = 2 ** 20;
const never = () => new AbortController().signal;

test("parts are equal, few enough for any length, and no larger than they must be", () => {
  assert.equal(partSizeOf(20 * MIB), 8 * MIB);
  assert.equal(partSizeOf(9_000 * 8 * MIB), 8 * MIB);
  assert.equal(partSizeOf(9_000 * 8 * MIB + 1), 9 * MIB);
  for (const length of [1, 70 * 2 ** 30, 512 * 2 ** 30, 5 * 2 ** 40]) {
    assert.ok(Math.ceil(length / partSizeOf(length)) <= 9_000);
    assert.equal(partSizeOf(length) % MIB, 0);
  }
});

test("no more memory is out than the budget, and whoever waits longest is next", async () => {
  const pool = createBufferPool(4, 1);
  const order: string[] = [];
  const held: PooledBuffer[] = [];
  for (let at = 0; at < 4; at++) held.push(await pool.take(1, never()));
  const ask = (name: string) =>
    pool.take(1, never()).then((lease) => {
      order.push(name);
      held.push(lease);
    });
  // Two uploads, each asking for its next part as soon as it has one: neither starves the other.
  for (const name of ["a1", "b1", "a2", "b2"]) void ask(name);
  await turn();
  assert.deepEqual(order, []);
  for (const lease of held.splice(0, 2)) lease.release();
  await turn();
  assert.deepEqual(order, ["a1", "b1"]);
  const [first] = held;
  first!.release();
  first!.release(); // A second time frees nothing.
  await turn();
  assert.deepEqual(order, ["a1", "b1", "a2"]);
});

test("what is larger than the budget is had alone, and lets nothing small overtake it for ever", async () => {
  const pool = createBufferPool(4, 1);
  const small = await pool.take(2, never());
  let large: PooledBuffer | null = null;
  let next: PooledBuffer | null = null;
  void pool.take(10, never()).then((lease) => {
    large = lease;
  });
  void pool.take(1, never()).then((lease) => {
    next = lease;
  });
  await turn();
  assert.deepEqual([large, next], [null, null]);
  small.release();
  await turn();
  assert.equal((large as PooledBuffer | null)?.buffer.length, 10);
  assert.equal(next, null);
  (large as PooledBuffer | null)?.release();
  await turn();
  assert.ok(next);
});

test("whoever gives up waiting gets nothing, and holds up nobody", async () => {
  const pool = createBufferPool(4, 1);
  const held = await pool.take(3, never());
  const stop = new AbortController();
  const large = pool.take(4, stop.signal);
  const small = pool.take(1, never());
  stop.abort(new Error("stop"));
  await assert.rejects(large, /stop/);
  assert.equal((await small).buffer.length, 1);
  await assert.rejects(pool.take(1, AbortSignal.abort(new Error("stop"))), /stop/);
  held.release();
  assert.equal((await pool.take(3, never())).buffer.length, 3);
});
