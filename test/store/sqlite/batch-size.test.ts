import assert from "node:assert/strict";
import { test } from "node:test";
import { createBatchSize } from "../../../src/store/sqlite/commit/batch-size.ts";

/** The size after many commits that each took this long. */
function settled(commit: { worked: number; synced: number; writes: number }): number {
  const size = createBatchSize();
  for (let count = 0; count < 200; count++) size.learn(commit);
  return size.now();
}

test("a commit's statements are bounded in time, and take longer only where the disk is slower still", () => {
  assert.equal(createBatchSize().now(), 256, "nothing is known yet");
  assert.equal(settled({ writes: 100, worked: 4, synced: 0.5 }), 100);
  assert.equal(settled({ writes: 100, worked: 4, synced: 4 }), 200, "on a slow disk larger commits pay");
  assert.equal(settled({ writes: 100, worked: 400, synced: 0.5 }), 16, "no fewer: a sync is shared");
  assert.equal(settled({ writes: 100, worked: 0.1, synced: 50 }), 256, "no more");
  assert.equal(settled({ writes: 1, worked: 0, synced: 0 }), 256);
});
