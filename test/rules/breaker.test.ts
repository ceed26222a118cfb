import assert from "node:assert/strict";
import { test } from "node:test";
import type { Breaker } from "../../src/model/health.ts";
import { failed, tried, waitOf } from "../../src/rules/breaker.ts";

const waits = { first: 10, longest: 40 };

test("a breaker waits longer after each failure in a row, and one try at a time ends a wait", () => {
  assert.equal(waitOf(null, 5), 0);
  let breaker: Breaker | null = null;
  let now = 100;
  const seen: number[] = [];
  for (let round = 0; round < 4; round++) {
    breaker = failed(breaker, { now, error: `failure ${round}`, waits });
    seen.push(waitOf(breaker, now));
    now += waitOf(breaker, now);
    assert.equal(waitOf(breaker, now), 0);
    breaker = tried(breaker, { now, patience: 7 });
    assert.equal(waitOf(breaker, now), 7, "another one is under way");
    now += 5;
  }
  assert.deepEqual(seen, [10, 20, 40, 40]);
  assert.deepEqual({ ...breaker, dueAt: 0 }, { error: "failure 3", failures: 4, since: 100, dueAt: 0 });
});
