import assert from "node:assert/strict";
import { test } from "node:test";
import { runBeside } from "../support/retention/beside.ts";
import { runKills } from "../support/retention/kill.ts";
import { runYear } from "../support/retention/year.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:retention`. What depends on the machine's speed is judged there only.
const seed = process.env.RETENTION_SEED ?? Date.now().toString(36);
const days = isWhole ? { days: 200, events: 600 } : { days: 60, events: 150 };
const kills = isWhole ? 8 : 2;

test(`after ${days.days} days of ${days.events} events the database has the size of its window, and a small ledger`, {
  timeout: 300_000,
}, async (t) => {
  const { summary, problems, folder } = await runYear({ ...days, bodies: 20, attempts: 10, padding: 1_000 });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], `${summary}\nwhat it left behind is in ${folder}`);
});

test("a database of 0.2.0 is upgraded and pruned while it serves, and compacted", { timeout: 300_000 }, async (t) => {
  const events = isWhole ? 20_000 : 3_000;
  const { summary, problems, folder } = await runBeside({ events, rate: 50, seconds: 1, pairs: 1, most: 0 });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], `${summary}\nwhat it left behind is in ${folder}`);
});

test(`killed ${kills} times while it prunes, it loses nothing that waits, and goes on`, {
  timeout: 300_000,
}, async (t) => {
  const { summary, problems, folder } = await runKills({ kills, seed });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
});
