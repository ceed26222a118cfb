import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeAge, judgePublic } from "../../src/doctor/backup.ts";
import { diagnose } from "../support/doctor.ts";
import { openSeeded } from "../support/seeded.ts";

const NOW = Date.UTC(2026, 0, 10);
const HOUR = 3_600_000;
const every = { every: 6 * HOUR, keep: 28, to: "dir" as const };
const young = { database: { path: "", bytes: 1, bornAt: NOW - HOUR } };
const old = { database: { path: "", bytes: 1, bornAt: NOW - 100 * HOUR } };
const made = (at: number) => ({
  id: "bak_1",
  at,
  place: "dir" as const,
  name: "/backups/relay.db",
  bytes: 2_000,
  events: 3,
  newest: null,
  planned: true,
});

test("backups in a target that has become public are a failure", () => {
  const there = { place: "target" as const, name: "~backups/relay.db" };
  assert.equal(judgePublic([there], null), null);
  assert.equal(judgePublic([made(NOW)], "https://cdn.example.com"), null);
  const finding = judgePublic([made(NOW), there], "https://cdn.example.com")!;
  assert.equal(finding.state, "failed");
  assert.match(finding.detail, /^1 were put into the target, the last ~backups\/relay\.db, and that is public now/);
});

test("the last backup is judged against what the config asks for", () => {
  const state = (...given: Parameters<typeof judgeAge>) => judgeAge(...given).state;
  assert.equal(state(null, null, young, NOW), "warning");
  // A restored database knows of no backup that was made before.
  assert.match(judgeAge(null, null, young, NOW).detail, /, and this database knows of none$/);
  assert.equal(state(null, every, young, NOW), "warning");
  assert.equal(state(null, every, old, NOW), "failed");
  assert.equal(state(made(NOW - HOUR), null, old, NOW), "warning");
  assert.equal(state(made(NOW - 11 * HOUR), every, old, NOW), "ok");
  assert.equal(state(made(NOW - 13 * HOUR), every, old, NOW), "failed");
  const { detail } = judgeAge(made(NOW - 13 * HOUR), every, old, NOW);
  assert.match(detail, /made 13 h ago: 3 events, 2\.0 KiB, \/backups\/relay\.db; backup\.every is 6 h$/);
});

test("a backup that the relay tried in vain is a failure, until one comes to something", async (t) => {
  const { store, configPath } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 }, backup: {} });
  const at = Date.now() - 180_000;
  await store.backups.noteFailed({ at, error: "/srv/b: no room", againAt: at + 300_000 });
  const { state, detail, advice } = (await diagnose(configPath))("backup");
  assert.equal(state, "failed");
  assert.equal(detail, "the relay's last try, 3 min ago, failed: /srv/b: no room; this database knows of no good one");
  assert.match(advice, /tries again at 20\d\d-.*Z$/);

  const made = { at: Date.now(), name: "/srv/b/a.db", bytes: 9, events: 0, newest: null };
  await store.backups.note({ ...made, place: "file", planned: false });
  assert.match((await diagnose(configPath))("backup").detail, /failed: .*; the last that was checked was made/);
  await store.backups.note({ ...made, place: "target", planned: true });
  assert.equal((await diagnose(configPath))("backup").state, "ok");
});
