import assert from "node:assert/strict";
import { copyFileSync, existsSync, readdirSync, realpathSync, renameSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { createAccept } from "../../../src/receive/accept.ts";
import { databaseOf } from "../../../src/store/backup.ts";
import { compactDatabase, copyDatabase, restoreDatabase } from "../../../src/store/copy-database.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const DAY = 86_400_000;

/** A store of events without an endpoint; `isOld`: of a database that was made before free room was given back. */
async function open(t: TestContext, { isOld = false } = {}) {
  const config = configIn(tempFolder(t));
  const path = databaseOf(config.dataDir);
  if (isOld) {
    const db = new Database(path);
    db.exec("CREATE TABLE first (x)");
    db.exec("DROP TABLE first");
    db.close();
  }
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  const accept = createAccept({ store });
  for (let nth = 0; nth < 300; nth++) {
    const event = { type: "draft.exit", wochitVideoId: `v${nth}`, pad: "x".repeat(3_000) };
    await accept(Buffer.from(JSON.stringify(event)), "192.0.2.1", clock.now());
  }
  clock.set(clock.now() + 91 * DAY);
  return { config, clock, store, path };
}

async function pruneAll(store: Store, now: number): Promise<void> {
  const wish = { bodies: now - 90 * DAY, attempts: now - 30 * DAY, limit: 100, by: "test", leaseFor: 1 };
  while ((await store.prune(wish, now))?.isMore);
}

function modeOf(path: string): number {
  const db = new Database(path, { readonly: true });
  try {
    assert.equal(db.pragma("integrity_check", { simple: true }), "ok");
    assert.equal(db.pragma("journal_mode", { simple: true }), "wal");
    return Number(db.pragma("auto_vacuum", { simple: true }));
  } finally {
    db.close();
  }
}

test("a new database gives the room of what was pruned back while it is used; so do its backups, restored", async (t) => {
  const { config, clock, store, path } = await open(t);
  const before = await store.space();
  assert.equal(before.givesBack, true);
  await pruneAll(store, clock.now());
  const pruned = await store.space();
  assert.ok(pruned.free > before.bytes / 2, "the bodies were most of it");
  await store.giveBack(2 ** 16);
  assert.equal((await store.space()).bytes, pruned.bytes - 2 ** 16);
  const copy = join(tempFolder(t), "copy.db");
  await copyDatabase(path, copy, { clock });
  await store.giveBack(pruned.free);
  const { bytes, free } = await store.space();
  assert.ok(bytes < before.bytes / 3 && free === 0, `${before.bytes} → ${bytes}, ${free} free`);
  assert.equal((await store.events({ limit: 999 })).length, 300);
  await store.close();
  assert.equal(statSync(path).size, bytes);
  assert.equal(modeOf(path), 2);
  const elsewhere = join(tempFolder(t), "data");
  await restoreDatabase(copy, elsewhere, { clock });
  await (await openStore({ ...config, dataDir: elsewhere }, testPorts(clock), { role: "relay" })).close();
  assert.equal(modeOf(databaseOf(elsewhere)), 2);
});

test("an older database takes its free room again, and shrinks when it is compacted; then it gives back, too", async (t) => {
  const { config, clock, store, path } = await open(t, { isOld: true });
  const before = await store.space();
  assert.equal(before.givesBack, false);
  await pruneAll(store, clock.now());
  const pruned = await store.space();
  assert.ok(pruned.free > 0);
  await store.giveBack(pruned.free);
  assert.deepEqual(await store.space(), pruned);
  const events = await store.events({ limit: 999 });
  await assert.rejects(compactDatabase(config.dataDir), {
    code: "conflict",
    message: /another wochit-relay is running/,
  });
  await store.close();

  const compacted = await compactDatabase(config.dataDir);
  assert.deepEqual(compacted, { before: before.bytes, after: statSync(path).size });
  assert.ok(compacted.after < compacted.before / 3);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(config.dataDir).filter((name) => /part|-wal|-journal/.test(name)),
    [],
  );
  assert.equal(modeOf(path), 2);
  const again = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => again.close());
  assert.equal((await again.space()).givesBack, true);
  assert.deepEqual(await again.events({ limit: 999 }), events);
});

test("what another process has open is not compacted, and goes on", async (t) => {
  const { config, clock, store, path } = await open(t);
  await store.close();
  const operator = await openStore(config, testPorts(clock), { role: "operator" });
  t.after(() => operator.close());
  assert.equal((await operator.events({ limit: 999 })).length, 300);
  const { ino } = statSync(path);
  await assert.rejects(compactDatabase(config.dataDir), { code: "conflict", message: /another process has .* open/ });
  assert.equal(statSync(path).ino, ino);
  assert.equal((await operator.events({ limit: 999 })).length, 300);
});

test("what is no database of a relay is not compacted", async (t) => {
  const config = configIn(tempFolder(t));
  await assert.rejects(compactDatabase(config.dataDir), { code: "not_found" });
  const db = new Database(databaseOf(config.dataDir));
  db.exec("CREATE TABLE other (x)");
  db.close();
  await assert.rejects(compactDatabase(config.dataDir), {
    code: "conflict",
    message: /not a database of wochit-relay/,
  });
});

test("what a compaction that was killed has left goes at the next start", async (t) => {
  const { config, clock, store, path } = await open(t);
  await store.close();
  const left = join(config.dataDir, ".relay.db.relay-part");
  copyFileSync(path, left);
  const again = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => again.close());
  assert.equal(existsSync(left), false);
  assert.equal((await again.events({ limit: 999 })).length, 300);
});

test("a database that is a link stays one", async (t) => {
  const { config, clock, store, path } = await open(t);
  await pruneAll(store, clock.now());
  await store.close();
  const elsewhere = join(tempFolder(t), "elsewhere.db");
  renameSync(path, elsewhere);
  symlinkSync(elsewhere, path);
  const { before, after } = await compactDatabase(config.dataDir);
  assert.ok(after < before);
  assert.equal(realpathSync(path), realpathSync(elsewhere));
  assert.equal(statSync(elsewhere).size, after);
});
