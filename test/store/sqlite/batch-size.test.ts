import assert from "node:assert/strict";
import { test } from "node:test";
import { createBatchSize } from "../../../src/store/sqlite/commit/batch-size.ts";

/** The size for what waits, after many commits that each took this long. */
function settled(commit: { worked: number; synced: number; writes: number }, waiting = 10_000): number {
  const size = createBatchSize();
  for (let count = 0; count < 200; count++) size.learn(commit);
  return size.now(waiting);
}

test("a commit's statements are bounded in time, and take longer only where the disk is slower still", () => {
  assert.equal(createBatchSize().now(10_000), 256, "nothing is known yet");
  assert.equal(settled({ writes: 100, worked: 4.01, synced: 0.5 }), 99);
  assert.equal(settled({ writes: 100, worked: 4, synced: 4.02 }), 200, "on a slow disk larger commits pay");
  assert.equal(settled({ writes: 100, worked: 400, synced: 0.5 }), 16, "no fewer: a sync is shared");
  assert.equal(settled({ writes: 100, worked: 0.1, synced: 50 }), 256, "no more");
  assert.equal(settled({ writes: 1, worked: 0, synced: 0 }), 256);
});

test("a commit takes half of what is on its way, so that the other half is answered and read meanwhile", () => {
  const quick = { writes: 32, worked: 1.2, synced: 0.2 };
  assert.equal(settled(quick, 32), 32, "of 64");
  assert.equal(settled(quick, 96), 64, "more are coming");
  assert.equal(settled(quick, 0), 16);
  assert.equal(settled({ ...quick, synced: 2.3 }, 32), 62, "on a slow disk as many as its sync is worth");
});
