import assert from "node:assert/strict";
import { existsSync, mkdirSync, renameSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { createAccept } from "../../../src/receive/accept.ts";
import { openStore } from "../../../src/store/open.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { migrations } from "../../../src/store/sqlite/schema/migrations.ts";
import type { Store } from "../../../src/store/store.ts";
import { backupVerbs, storeVerbs } from "../../../src/store/verbs.ts";
import { storeContracts } from "../../contracts/every-store.ts";
import { configIn, freshConfigIn } from "../../support/config.ts";
import { damageTable } from "../../support/damage.ts";
import { tempFolder } from "../../support/folder.ts";
import { faultsOf, noteCalls, recordStatements } from "../../support/plans.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const statements = recordStatements();
const called = new Set<string>();

for (const contract of storeContracts)
  contract("sqlite", async (config, ports) => noteCalls(await openStore(config, ports, { role: "relay" }), called));

test("no statement of any verb goes through a table that grows, or sorts what an index could give in order", async (t) => {
  const verbs = [...Object.keys(storeVerbs), ...Object.keys(backupVerbs)];
  assert.deepEqual(
    verbs.filter((name) => !called.has(name)),
    [],
    "the contracts call every verb, so that every statement is known",
  );
  const config = configIn(tempFolder(t));
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  const db = new Database(join(config.dataDir, "relay.db"), { readonly: true });
  t.after(() => db.close());
  const texts = statements.end();
  assert.ok(texts.length > 1_000);
  assert.deepEqual(
    texts.flatMap((text) => faultsOf(db, text)),
    [],
  );
});

function post(store: Store, _config: ReturnType<typeof configIn>, videoId: string, now: number) {
  const body = Buffer.from(JSON.stringify({ type: "video.delete", wochitVideoId: videoId }));
  return createAccept({ store })(body, "192.0.2.1", now);
}

test("a second relay with the same data folder is refused, an operator's command is not", async (t) => {
  const config = configIn(tempFolder(t));
  const store = await openStore(config, testPorts(), { role: "relay" });
  await assert.rejects(openStore(config, testPorts(), { role: "relay" }), { code: "conflict" });
  const operator = await openStore(config, testPorts(), { role: "operator" });
  assert.deepEqual(await operator.events({ limit: 1 }), []);
  await operator.close();
  await store.close();
  await (await openStore(config, testPorts(), { role: "relay" })).close();
});

test("an operator's command makes no database", async (t) => {
  const config = freshConfigIn(tempFolder(t));
  await assert.rejects(openStore(config, testPorts(), { role: "operator" }), { code: "not_found" });
  assert.equal(existsSync(config.dataDir), false);
});

test("the data folder and the database are the owner's alone, and commits wait for the disk", async (t) => {
  const config = freshConfigIn(tempFolder(t));
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  assert.equal(statSync(config.dataDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(config.dataDir, "relay.db")).mode & 0o777, 0o600);
  const db = new Database(join(config.dataDir, "relay.db"));
  assert.equal(db.pragma("journal_mode", { simple: true }), "wal");
  db.close();
});

test("a database is migrated once, refused when it is newer, and refused when it is another program's", async (t) => {
  const config = configIn(tempFolder(t));
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  const path = join(config.dataDir, "relay.db");
  const db = new Database(path);
  assert.equal(db.pragma("user_version", { simple: true }), migrations.length);
  db.pragma(`user_version = ${migrations.length + 1}`);
  await assert.rejects(openStore(config, testPorts(), { role: "relay" }), { code: "conflict", message: /newer/ });
  db.pragma("user_version = 0");
  db.pragma("application_id = 7");
  await assert.rejects(openStore(config, testPorts(), { role: "relay" }), {
    code: "conflict",
    message: /not a database of/,
  });
  db.close();
});

test("a database of the first schema is migrated with what it holds; until then commands say what to do", async (t) => {
  const config = freshConfigIn(tempFolder(t));
  mkdirSync(config.dataDir);
  const db = new Database(join(config.dataDir, "relay.db"));
  db.exec(migrations[0]!);
  db.pragma("application_id = 2003987577");
  db.pragma("user_version = 1");
  db.exec(`
    INSERT INTO videos (id, video_id, state, first_seen, last_event_at, sequence) VALUES (1, 'v1', 'ready', 1000, 1000, 1);
    INSERT INTO events (id, received_at, video, sequence, type, dialect, failure, source, video_medium, thumbnail_medium, deliveries)
      VALUES (2, 1000, 1, 1, 'video.ready', 'typed', 0, '192.0.2.1', 3, 4, 0);
    INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, key, bytes, sha256, content_type)
      VALUES (3, 1, 'video', 2, 1, 'https://h/v.mp4', 'h', 9000, 0, 'mirrored', 'v1/video.mp4', 3, 'ab', 'video/mp4');
    INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, due)
      VALUES (4, 1, 'thumbnail', 2, 1, 'https://h/t.jpg', 'h', 9000, 0, 'running', 5000);
  `);
  db.close();
  await assert.rejects(openStore(config, testPorts(), { role: "operator" }), { code: "conflict", message: /start/ });

  const store = await openStore(config, testPorts(), { role: "relay" });
  t.after(() => store.close());
  const before = { type: "local", dir: "/var/media" } as const;
  const bucket = { type: "s3", bucket: "b", endpoint: null, region: null, prefix: "", pathStyle: false } as const;
  await store.targetId(bucket, before);
  assert.equal((await store.mediumByKey("v1/video.mp4"))?.target, await store.targetId(before));
  assert.equal(await store.nextRisk(), 5000);
  await store.freeLeases(2000);
  const [job] = (await store.claimDownloads({ now: 9000, limit: 9, leaseFor: 999, busyHosts: [] })).jobs;
  assert.deepEqual([job?.kind, job?.deadline, job?.duration], ["thumbnail", 9000, null]);
});

/** A store whose database another connection has locked for writing. */
async function openLocked(t: TestContext) {
  const config = configIn(tempFolder(t));
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const other = new Database(join(config.dataDir, "relay.db"));
  t.after(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  return { config, clock, store, other };
}

test("a database that is locked for a while costs time, not events, and does not block the event loop", async (t) => {
  const { config, clock, store, other } = await openLocked(t);
  const posted = post(store, config, "v1", clock.now());
  const began = performance.now();
  await clock.advance(5_000);
  assert.ok(performance.now() - began < 4_500, "waiting must leave the event loop alone");
  assert.match(store.trouble() ?? "", /locked/);
  other.exec("COMMIT");
  await clock.advance(300);
  assert.equal((await posted).status, "accepted");
  assert.equal(store.trouble(), null);
});

test("a commit that fails for ten seconds is reported, and the store recovers by itself", async (t) => {
  const { config, clock, store, other } = await openLocked(t);
  const posted = assert.rejects(post(store, config, "v1", clock.now()), { code: "store_unavailable" });
  await clock.advance(11_000);
  await posted;
  other.exec("COMMIT");
  assert.equal((await post(store, config, "v2", clock.now())).status, "accepted");
  assert.deepEqual(
    (await store.events({ limit: 9 })).map((event) => event.videoId),
    ["v2"],
  );
});

test("nothing is accepted into a database file that was deleted or replaced", async (t) => {
  const config = configIn(tempFolder(t));
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const path = join(config.dataDir, "relay.db");
  await post(store, config, "v1", clock.now());
  renameSync(path, `${path}.moved`);
  await clock.advance(1_000);
  const refused = assert.rejects(post(store, config, "v2", clock.now()), {
    code: "store_unavailable",
    message: /deleted or replaced/,
  });
  await clock.advance(11_000);
  await refused;
  renameSync(`${path}.moved`, path);
  assert.equal((await post(store, config, "v3", clock.now())).status, "accepted");
});

test("ids stay unique and ordered beside another process that writes, and when the clock jumps back", async (t) => {
  const config = configIn(tempFolder(t));
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  const operator = await openStore(config, testPorts(clock), { role: "operator" });
  t.after(() => operator.close());
  t.after(() => store.close());
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) {
    ids.push((await post(store, config, `a${n}`, clock.now())).id);
    ids.push((await post(operator, config, `b${n}`, clock.now())).id);
    clock.set(clock.now() - 60_000);
  }
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, 10);
});

test("a database that cannot be opened is read as a copy, but not where this process has it open", async (t) => {
  const config = configIn(tempFolder(t));
  await (await openStore(config, testPorts(), { role: "relay" })).close();
  // SQLite makes no index of a log there.
  symlinkSync("/nowhere/at-all", join(config.dataDir, "relay.db-shm"));
  const open = (isBeside: boolean) => {
    const { dataDir } = config;
    return openSqliteStore({ dataDir, settings: settingsOf(config), isBeside }, testPorts(), { role: "operator" });
  };
  const copy = await open(false);
  assert.equal((await copy.counts()).events, 0);
  await copy.close();
  await assert.rejects(open(true), { code: "unsupported" });
});

test("damage that a read meets is remembered, and said once", async (t) => {
  const config = configIn(tempFolder(t));
  const clock = testClock();
  const relay = await openStore(config, testPorts(clock), { role: "relay" });
  for (let n = 0; n < 50; n++) await post(relay, config, `v${n}`, clock.now());
  await relay.close();
  const path = join(config.dataDir, "relay.db");
  damageTable(path, "events");
  const ports = testPorts(clock);
  const store = await openStore(config, ports, { role: "operator" });
  t.after(() => store.close());
  assert.equal(store.damage(), null);
  for (let n = 0; n < 2; n++) await assert.rejects(store.events({ limit: 9 }), { code: "SQLITE_CORRUPT" });
  assert.match(store.damage() ?? "", /malformed/);
  assert.equal(ports.log.facts.filter(({ fact }) => /damaged/.test(fact)).length, 1);
});
