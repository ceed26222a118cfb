import assert from "node:assert/strict";
import { test } from "node:test";
import { createHistogram } from "../../src/store/histogram.ts";

test("a value is counted at the first bound that it does not exceed, or beyond the last", () => {
  const histogram = createHistogram([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 3, 5, 6, 1_000]) histogram.add(value);
  assert.deepEqual(histogram.now(), { counts: [2, 2, 2, 2], sum: 1_018.5 });
});

test("what was read does not change with what is counted afterwards", () => {
  const histogram = createHistogram([1]);
  const before = histogram.now();
  histogram.add(1);
  assert.deepEqual(before, { counts: [0, 0], sum: 0 });
});
