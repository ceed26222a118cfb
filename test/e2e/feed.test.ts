import assert from "node:assert/strict";
import { test } from "node:test";
import { runFeed } from "../support/feed/run.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:feed`.
const seed = process.env.FEED_SEED ?? Date.now().toString(36);
const [events, readerKills, relayKills] = isWhole ? [5_000, 20, 2] : [600, 6, 1];

test(`three readers get ${events} events of 16 writers, each once and in one order, although they and the relay are killed`, {
  timeout: 600_000,
}, async (t) => {
  const { summary, problems, folder } = await runFeed({ events, readerKills, relayKills, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
