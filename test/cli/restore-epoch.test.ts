import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { draft } from "../contracts/store.ts";
import { freshConfigIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { noPostgres, testDatabase } from "../support/postgres.ts";
import { openReal } from "../support/postgres-pair.ts";
import { callJson, runCli } from "../support/spawn.ts";

const skip = noPostgres;

async function settle(t: TestContext) {
  const { url } = await testDatabase(t);
  const dir = tempFolder(t);
  freshConfigIn(dir, { store: { url }, mirror: { enabled: false } });
  return { url, flags: ["--config", join(dir, "config.json")] };
}

test("restore --new-epoch begins an epoch of the database of store.url, beside a relay, and ends tasks and logins", {
  skip,
}, async (t) => {
  const { url, flags } = await settle(t);
  const { store, post, wire } = await openReal(t, url);
  const before = await post(draft("v1"));
  const epoch = await store.epoch();
  const now = wire.now();
  const login = { token: "admin", mark: "0123", address: "127.0.0.1", createdAt: now, expiresAt: now + 3_600_000 };
  await store.beginSession({ ...login, hash: "a1" });
  const wish = { verb: "retry", filter: {}, by: "cli", rate: null, leaseFor: 1_000 } as const;
  const { id: task } = await store.createTask(wish, now);
  const [said] = (await callJson(["restore", "--new-epoch", ...flags])) as [{ epoch: number }];
  assert.ok(said.epoch >= now);
  assert.notEqual(await store.epoch(), epoch);
  const { id } = await post(draft("v1"));
  assert.equal((await store.event(id)).sequence, said.epoch + 1);
  assert.equal((await store.event(before.id)).sequence, 1);
  assert.deepEqual(await store.sessions(), []);
  assert.equal((await store.task(task)).state, "canceled");
  const [entry] = await store.audit({ limit: 9, verb: "restore" });
  assert.equal(entry!.subject, "--new-epoch");
});

test("restore --new-epoch refuses a backup, a config without store.url, and a database that is empty", {
  skip,
}, async (t) => {
  const { flags } = await settle(t);
  const refused = async (args: string[], code: number, line: RegExp) => {
    const { code: found, stderr } = await runCli(["restore", ...args]);
    assert.equal(found, code, stderr);
    assert.match(stderr, line);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  };
  await refused(["a.db", "--new-epoch", ...flags], 2, /--new-epoch goes with no backup/);
  await refused(["--new-epoch", ...flags], 1, /the database of store.url is empty: restore it first/);
  const dir = tempFolder(t);
  freshConfigIn(dir);
  await refused(
    ["--new-epoch", "--config", join(dir, "config.json")],
    2,
    /--new-epoch is for the PostgreSQL of store.url/,
  );
});
