import assert from "node:assert/strict";
import { test } from "node:test";
import { runReloadTest } from "../support/reload/run.ts";

// The short form of `npm run test:reload`. Another seed every time: what a run has not met, the next one may.
const seed = process.env.RELOAD_SEED ?? Date.now().toString(36);

test("with twenty other configs under load, some of them wrong, it loses nothing", { timeout: 600_000 }, async (t) => {
  const { summary, problems, folder } = await runReloadTest({ reloads: 20, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
