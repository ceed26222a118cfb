import assert from "node:assert/strict";
import { test } from "node:test";
import { runCrashTest } from "../support/crash/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:crash`. Another seed every time: what a run has not met, the next one may.
const seed = process.env.CRASH_SEED ?? Date.now().toString(36);
const rounds = isWhole ? 10 : 2;

test(`killed ${rounds} times under load, it loses nothing that it acknowledged`, { timeout: 600_000 }, async (t) => {
  const { summary, problems, folder } = await runCrashTest({ rounds, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
