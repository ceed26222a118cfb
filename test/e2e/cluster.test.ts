import assert from "node:assert/strict";
import { test } from "node:test";
import { noFaketime } from "../support/cluster/clocks.ts";
import { runCutTest } from "../support/cluster/cut.ts";
import { type ClusterReport, runClusterTest } from "../support/cluster/run.ts";
import { noPostgres } from "../support/postgres.ts";
import { noS3 } from "../support/s3-server.ts";
import { wholeOnly } from "../support/whole.ts";

// A minute of `npm run test:cluster`. Another seed every time: what a run has not met, the next one may.
const seed = process.env.CLUSTER_SEED ?? Date.now().toString(36);
const options = { skip: wholeOnly || noPostgres || noS3 || noFaketime, timeout: 900_000 };
const skew = 45;

function judge({ summary, problems, folder }: ClusterReport, t: { diagnostic(text: string): void }): void {
  t.diagnostic(summary);
  assert.deepEqual(problems.slice(0, 20), [], `${summary}\nwhat it left behind is in ${folder}`);
}

test(
  "four relays on one database, one killed every 1.5 s for a minute, do all that was acknowledged, in order",
  options,
  async (t) => judge(await runClusterTest({ seed, relays: 4, seconds: 60, skew }), t),
);

// Longer ones by hand: npm run test:cluster -- --cut 60
test(
  "a relay cut off from the database for a while holds back no other, and sends nothing out of order",
  options,
  async (t) => judge(await runCutTest({ seed, relays: 3, seconds: 5, skew }), t),
);
