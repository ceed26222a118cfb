import assert from "node:assert/strict";
import { test } from "node:test";
import { runRotation } from "../support/rotation/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:rotation`.
const seed = process.env.ROTATION_SEED ?? Date.now().toString(36);
const deliveries = isWhole ? 2_000 : 300;

test(`secrets change under ${deliveries} deliveries to each endpoint, and every one arrives, signed as its consumer accepts`, {
  timeout: 600_000,
}, async (t) => {
  const { summary, problems, folder } = await runRotation({ deliveries, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
