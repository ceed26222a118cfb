import assert from "node:assert/strict";
import { test } from "node:test";
import { runCrowdTest } from "../support/crowd.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:crowd`.

const size = isWhole
  ? { idle: 400, silent: 300, readers: 100, seconds: 4 }
  : { idle: 400, silent: 100, readers: 40, seconds: 2 };

test("among idle connections and readers that do not read, a sender's events are all taken, and soon", {
  timeout: 600_000,
  skip: process.platform !== "linux" && "strangers come from 127.0.0.2 and so on, which only Linux has by itself",
}, async (t) => {
  const { summary, problems } = await runCrowdTest({
    ...size,
    within: 20_000,
  });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], summary);
});
