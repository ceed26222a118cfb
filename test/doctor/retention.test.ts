import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeRetention } from "../../src/doctor/retention.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const MIB = 2 ** 20;
const config = { retention: { bodies: 90 * DAY, attempts: 30 * DAY } };

const judge = (oldestBody: number | null, space = { bytes: 100 * MIB, free: 0, givesBack: true }) =>
  judgeRetention({ oldestBody: async () => oldestBody, space: async () => space }, config, NOW);

test("bodies that have expired for more than a day are a warning", async () => {
  const [none] = await judge(null);
  assert.deepEqual(
    [none!.of, none!.state, none!.detail],
    ["retention", "ok", "no event has a body, and retention.bodies is 90 d"],
  );
  assert.equal((await judge(NOW - 91 * DAY))[0]!.state, "ok");
  const [behind] = await judge(NOW - 91 * DAY - 1);
  assert.equal(behind!.state, "warning");
  assert.match(behind!.detail, /^bodies wait to be pruned since 2026-03-01T23:59:59\.999Z/);
  assert.match(behind!.advice!, /wochit-relay prune/);
});

test("much free room is a warning only where the database cannot give it back", async () => {
  const size = async (free: number, givesBack: boolean, bytes = 200 * MIB) =>
    (await judge(null, { bytes, free, givesBack }))[1]!;
  assert.equal((await size(100 * MIB, true)).state, "ok");
  const hollow = await size(100 * MIB, false);
  assert.deepEqual([hollow.of, hollow.state], ["size", "warning"]);
  assert.equal(hollow.detail, "200.0 MiB, of which 100.0 MiB are free for what comes");
  assert.match(hollow.advice!, /prune --compact/);
  assert.equal((await size(60 * MIB, false)).state, "ok");
  assert.equal((await size(100 * MIB, false, 1000 * MIB)).state, "ok");
});
