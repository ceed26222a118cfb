import assert from "node:assert/strict";
import { test } from "node:test";
import { createRateLimit } from "../../src/forward/rate-limit.ts";
import { testClock } from "../support/ports.ts";

const never = new AbortController().signal;

/** A job that is claimed and asks for its turn at once. */
function begin({ enter, leave, turn }: ReturnType<typeof createRateLimit>) {
  enter();
  leave();
  return turn(never);
}

test("jobs are claimed only where their turn comes soon, and the next when it does", async () => {
  const clock = testClock();
  const rooms: number[] = [];
  const limit = createRateLimit(0.5, clock, () => rooms.push(clock.elapsed()));
  assert.equal(limit.room(), 1);
  assert.equal(begin(limit), undefined, "the first begins at once");
  assert.equal(limit.room(), 0);
  await clock.advance(1_800);
  assert.deepEqual([rooms, limit.room()], [[], 0]);
  await clock.advance(150);
  assert.deepEqual([rooms, limit.room()], [[1_900], 1]);
});

test("as many are claimed as begin within a tenth of a second; those on their way to their turn count", async () => {
  const clock = testClock();
  const limit = createRateLimit(100, clock, () => {});
  assert.equal(limit.room(), 11);
  limit.enter();
  assert.equal(limit.room(), 10);
  limit.leave();
  assert.equal(limit.turn(never), undefined);
  for (let job = 1; job < 11; job++) assert.ok(begin(limit) instanceof Promise);
  assert.equal(limit.room(), 0);
  await clock.advance(60);
  assert.equal(limit.room(), 6);
});

test("a job that leaves without a turn leaves its room", () => {
  const limit = createRateLimit(1, testClock(), () => {});
  limit.enter();
  assert.equal(limit.room(), 0);
  limit.leave();
  assert.equal(limit.room(), 1);
});

test("without a rate there is always room, and a turn at once", () => {
  const limit = createRateLimit(null, testClock(), () => assert.fail());
  assert.equal(limit.room(), Number.POSITIVE_INFINITY);
  assert.equal(begin(limit), undefined);
});
