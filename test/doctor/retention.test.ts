import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeRetention } from "../../src/doctor/retention.ts";
import type { ArchiveState } from "../../src/store/archive/verbs.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const MIB = 2 ** 20;
const config = { retention: { bodies: 90 * DAY, attempts: 30 * DAY } };

const ARCHIVED: ArchiveState = {
  ...{ parts: 2, events: 7, bytes: 900, lastAt: NOW - DAY, failing: null, isBehind: false, toRewrite: 0 },
};

const judge = (
  oldestBody: number | null,
  space = { bytes: 100 * MIB, free: 0, givesBack: true },
  { archive, state = ARCHIVED }: { archive?: "target"; state?: ArchiveState } = {},
) => {
  const store = { oldestBody: async () => oldestBody, space: async () => space, archiveState: async () => state };
  return judgeRetention(store, archive ? { retention: { ...config.retention, archive } } : config, NOW);
};

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

test("an archive that fails, or still has what was erased, is said; with one, whole days go, so that a body may be a day older", async () => {
  const archived = (state: Partial<ArchiveState> = {}) =>
    judge(NOW - 92 * DAY, undefined, { archive: "target", state: { ...ARCHIVED, ...state } });
  const [pruned, good] = await archived();
  assert.deepEqual([pruned!.state, good!.of, good!.state], ["ok", "archive", "ok"]);
  assert.match(good!.detail, /^7 events in 2 files; /);
  const [, failing] = await archived({ failing: { since: NOW - 3 * DAY, error: "no room" } });
  assert.equal(failing!.state, "failed");
  assert.match(failing!.detail, /^what has expired cannot be archived, and is not pruned, since 3 d: no room$/);
  const [waiting] = await judge(null, undefined, { archive: "target", state: { ...ARCHIVED, isBehind: true } });
  assert.match(waiting!.detail, /^all bodies that are left wait to be archived, and /);
  const [, erased] = await archived({ toRewrite: 1 });
  assert.equal(erased!.state, "warning");
  assert.equal((await judge(NOW - 92 * DAY - 1, undefined, { archive: "target" }))[0]!.state, "warning");
});
