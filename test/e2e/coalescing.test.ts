import assert from "node:assert/strict";
import { test } from "node:test";
import { runCoalescing } from "../support/coalescing/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:coalescing`.
const flood = isWhole
  ? { events: 5_000, videos: 50, posted: 1_000, rate: 20 }
  : { events: 400, videos: 10, posted: 1_000, rate: 20 };

test(`of ${flood.events} autosaves of ${flood.videos} videos the newest of each arrives, and every older one is accounted for`, {
  timeout: 300_000,
}, async (t) => {
  const { summary, problems, folder } = await runCoalescing(flood);
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
