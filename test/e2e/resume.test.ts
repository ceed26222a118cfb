import assert from "node:assert/strict";
import { test } from "node:test";
import { runResumeTest } from "../support/resume.ts";

// The short form of `npm run test:resume`.

const MIB = 2 ** 20;

test("a file over a connection that breaks, and through a SIGKILL, is fetched once", {
  timeout: 600_000,
}, async (t) => {
  const { summary, problems, requests } = await runResumeTest({
    size: 24 * MIB,
    every: 4 * MIB,
    kills: 1,
    // What was under way when it was killed may have to come again: it weighs more here than in a large file.
    mostBytes: 1 + 6 / 24,
    within: 240_000,
  });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], summary);
  assert.ok(requests.length >= 6, "five breaks; the kill may have met one of them");
  const [first, ...later] = requests;
  assert.equal(first!.range, null);
  assert.deepEqual(
    later.filter(({ range, ifRange, status }) => range === null || ifRange === null || status !== 206),
    [],
    "all that follow go on from where the one before them ended",
  );
});
