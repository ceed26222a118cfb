import assert from "node:assert/strict";
import { test } from "node:test";
import { createAhead } from "../../src/jobs/ahead.ts";
import type { Job } from "../../src/model/job.ts";
import { testClock } from "../support/ports.ts";

const job = (id: string, claim = "1") => ({ id, claim }) as Job;

/** After many jobs that held their slots for this long, in milliseconds. */
function after(ms: number, concurrency = 8) {
  const clock = testClock();
  const ahead = createAhead<Job>(concurrency, clock);
  for (let count = 0; count < 200; count++) ahead.ended(ms);
  return { clock, ahead };
}

test("quick jobs are claimed ahead, as many as begin within 20 ms; slow ones, and unknown ones, are not", () => {
  assert.equal(createAhead<Job>(8, testClock()).room(), 0);
  assert.deepEqual(
    [3, 19, 29, 39, 50, 5_000].map((ms) => after(ms).ahead.room()),
    [8, 8, 5, 4, 0, 0],
  );
});

test("room is asked for by the half, and jobs begin in the order of their claims", () => {
  const { ahead } = after(3);
  for (const id of ["a", "b", "c", "d"]) ahead.put(job(id));
  assert.equal(ahead.room(), 4);
  ahead.put(job("e"));
  assert.equal(ahead.room(), 0, "three are not worth a claim");
  ahead.put(job("a", "2"));
  assert.deepEqual(ahead.take(), { job: job("a", "2"), late: false }, "one that was claimed again has the newer claim");
  assert.equal(ahead.take()?.job.id, "b");
});

test("what has waited for a second is given back", async () => {
  const { ahead, clock } = after(3);
  ahead.put(job("a"));
  await clock.advance(1_001);
  ahead.put(job("b"));
  assert.deepEqual([ahead.take()?.late, ahead.take()?.late, ahead.take()], [true, false, undefined]);
});
