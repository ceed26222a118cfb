import assert from "node:assert/strict";
import { test } from "node:test";
import { playFortnight } from "../support/fortnight.ts";

test("a fortnight in which each alarm begins, ends and flaps, and two relays die between any two steps: each is said once", async (t) => {
  const { kills, falls, messages, repeats, problems } = await playFortnight(t, { seed: 7, step: 5, risk: 0.02 });
  assert.deepEqual(problems, []);
  assert.ok(kills > 60 && falls > 20, `${kills} kills, ${falls} falls`);
  assert.ok(messages > 200 && repeats > 0, `${messages} messages, ${repeats} again`);
});
