import assert from "node:assert/strict";
import { test } from "node:test";
import { runReloadTest } from "../support/reload/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:reload`. Another seed every time: what a run has not met, the next one may.
const seed = process.env.RELOAD_SEED ?? Date.now().toString(36);
const reloads = isWhole ? 20 : 5;

test(`with ${reloads} other configs under load, some of them wrong, it loses nothing`, {
  timeout: 600_000,
}, async (t) => {
  const { summary, problems, folder } = await runReloadTest({ reloads, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
