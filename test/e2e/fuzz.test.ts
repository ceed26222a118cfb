import assert from "node:assert/strict";
import { test } from "node:test";
import { runFuzz } from "../support/fuzz/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run fuzz`, with one seed, so that a run says something of the change and not of the dice; the long form
// takes another seed every time. A failing case names its number, and the message its seed.
const seed = process.env.FUZZ_SEED ?? "short";
const cases = isWhole ? 2_000 : 500;

test(`${cases} hostile requests change nothing but what the contract says`, { timeout: 600_000 }, async (t) => {
  const { summary, problems, folder } = await runFuzz({ cases, seed, long: false });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
