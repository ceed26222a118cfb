import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { openSync, readdirSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isUsable, judgeDatabase } from "../../src/doctor/database.ts";
import { openFile } from "../../src/store/sqlite/files/driver.ts";
import { inspectDatabase, isRelayRunning } from "../../src/store/sqlite/files/inspect.ts";
import { byPart, dataIn, inWords } from "../support/doctor.ts";
import { tempFolder } from "../support/folder.ts";
import { openSeeded, ready } from "../support/seeded.ts";

async function look(dataDir: string) {
  const data = await dataIn(dataDir);
  const { signal } = new AbortController();
  const findings = await judgeDatabase(
    data,
    async (path) => inspectDatabase(path),
    signal,
    () => {},
  );
  return { found: await byPart(findings), isUsable: isUsable(findings) };
}

/** The database of a relay that has stopped, with so many events in it. */
async function closedDatabase(t: Parameters<typeof openSeeded>[0], events = 20): Promise<string> {
  const { store, config, take } = await openSeeded(t);
  for (let n = 0; n < events; n++) await take(ready(`v${n}`, { title: "t".repeat(500) }));
  await store.close();
  return config.dataDir;
}

test("a whole database is reported as such, beside the relay that writes to it and without one", async (t) => {
  const { store, config, take } = await openSeeded(t);
  await take(ready("v1"));
  for (const beside of [true, false]) {
    assert.equal(isRelayRunning(config.dataDir), beside);
    const { found, isUsable } = await look(config.dataDir);
    assert.match(inWords(found.file), /^ok: .*relay\.db, .*, schema \d+, write-ahead log$/);
    assert.match(inWords(found.integrity), /^ok: integrity_check finds nothing wrong$/);
    assert.match(inWords(found.log), /^ok/);
    assert.equal(isUsable, true);
    await store.close();
  }
});

test("no database yet is a warning; nothing is made, no lock either", async (t) => {
  const dir = tempFolder(t);
  const { found, isUsable } = await look(dir);
  assert.match(inWords(found.file), /^warning: none in .* yet/);
  assert.equal(isUsable, false);
  assert.equal(isRelayRunning(dir), false);
  assert.deepEqual(readdirSync(dir), []);
});

test("a damaged database is a failure that says what to do, and no store is opened on it", async (t) => {
  const dir = await closedDatabase(t, 600);
  const path = join(dir, "relay.db");
  const file = openSync(path, "r+");
  const garbage = Buffer.alloc(4096, 0x5a);
  // The second half: the schema, and the first page of each table, are in the first.
  const pages = statSync(path).size / 4096;
  for (let page = Math.ceil(pages / 2); page < pages; page += 3) writeSync(file, garbage, 0, 4096, page * 4096);
  const { found, isUsable } = await look(dir);
  const [finding] = found.integrity!;
  assert.equal(finding!.state, "failed");
  assert.match(finding!.detail, /relay\.db is damaged: .*; and \d+ more$/);
  assert.match(finding!.advice!, /move relay\.db and what begins with its name away, then wochit-relay restore FILE/);
  assert.equal(isUsable, false);
});

test("a file that is cut, or none of SQLite's, is a failure and no crash", async (t) => {
  const dir = await closedDatabase(t, 100);
  const path = join(dir, "relay.db");
  truncateSync(path, 5 * 4096);
  const cut = await look(dir);
  assert.match([...Object.values(cut.found)].map(inWords).join("\n"), /failed: .*damaged/);
  writeFileSync(path, "this is no database at all".repeat(1_000));
  const { found, isUsable } = await look(dir);
  assert.match(inWords(found.file), /^failed: .*(damaged: file is not a database|cannot be opened)/);
  assert.equal(isUsable, false);
});

test("an empty file is no database yet, unless there is a log beside it", async (t) => {
  const dir = tempFolder(t);
  writeFileSync(join(dir, "relay.db"), "");
  const empty = await look(dir);
  assert.match(inWords(empty.found.file), /^warning: .*relay\.db is empty: the relay makes its database/);
  assert.deepEqual([Object.keys(empty.found), empty.isUsable], [["file"], false]);
  writeFileSync(join(dir, "relay.db-wal"), "events");
  const lost = await look(dir);
  assert.match(inWords(lost.found.file), /^failed: .*is empty, and its write-ahead log is not/);
});

test("a pipe in its place is a failure at once, and is not waited for", async (t) => {
  const dir = tempFolder(t);
  execFileSync("mkfifo", [join(dir, "relay.db")]);
  const { found } = await look(dir);
  assert.match(inWords(found.file), /^failed: .*relay\.db is not a file/);
});

test("a database of another program, a newer or older one, and one without its log are named", async (t) => {
  const dir = await closedDatabase(t, 1);
  const path = join(dir, "relay.db");
  const change = (pragma: string) => {
    const db = openFile(path, { timeout: 0 });
    db.pragma(pragma);
    db.close();
  };
  const file = async () => inWords((await look(dir)).found.file);
  change("user_version = 1");
  assert.match(await file(), /^warning: .*has schema 1, this program needs \d+$/);
  change("user_version = 999");
  assert.match(await file(), /^failed: .*has schema 999, this program supports \d+$/);
  change("journal_mode = DELETE");
  change("user_version = 1");
  assert.match(await file(), /^warning: .*journal_mode delete instead of wal, as a restored one has$/);
  change("application_id = 1");
  assert.match(await file(), /^failed: .*not a database of wochit-relay$/);
});

test("of a large database each table is checked by itself, and progress is shown", async () => {
  const checked: string[] = [];
  const shown: string[] = [];
  const inspected = {
    facts: () => ({ isOurs: true, schema: 3, newest: 3, journalMode: "wal" }),
    tables: () => ["events", "media"],
    checkAll: () => assert.fail("not all at once"),
    checkTable: (name: string) => {
      checked.push(name);
      return name === "media" ? ["row 3 missing from index"] : [];
    },
    close() {},
  };
  const database = { path: "/data/relay.db", bytes: 2 ** 33, bornAt: 0 };
  const data = { path: "/data", folder: null, database, account: null };
  const { signal } = new AbortController();
  const findings = await judgeDatabase(
    data,
    async () => inspected,
    signal,
    (how) => void shown.push(how),
  );
  assert.deepEqual(checked, ["events", "media"]);
  assert.deepEqual(shown, ["table 1 of 2, events", "table 2 of 2, media"]);
  assert.match(inWords(findings), /failed: \/data\/relay\.db is damaged: row 3 missing from index/);
});
