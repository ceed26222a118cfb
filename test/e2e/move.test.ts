import assert from "node:assert/strict";
import { test } from "node:test";
import { runMoveTest } from "../support/move/run.ts";
import { noS3 } from "../support/s3-server.ts";

// Short forms of `npm run test:move`.

const MIB = 2 ** 20;
const SMALL = { copies: 60, bytes: 30 * MIB, events: 20, rate: 8 * MIB, measured: 0, mostRatio: 0, within: 240_000 };

test("copies are moved from a folder into a bucket through kills and an outage, and their links answer all the time", {
  skip: noS3,
  timeout: 300_000,
}, async (t) => {
  const { summary, problems } = await runMoveTest({ ...SMALL, kills: 3, outage: 3_000, deleteSource: true });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], summary);
});

test("without deleteSource copies stay where they were, too", { skip: noS3, timeout: 300_000 }, async (t) => {
  const { summary, problems } = await runMoveTest({ ...SMALL, copies: 10, kills: 0, outage: 0, deleteSource: false });
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], summary);
});
