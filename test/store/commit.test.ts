import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { createCommitGroup } from "../../src/store/sqlite/commit.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock } from "../support/ports.ts";

function open(dir: string, options: { onFull?(db: Database.Database): void } = {}) {
  const db = new Database(join(dir, "x.db"), { timeout: 0 });
  db.pragma("journal_mode = WAL");
  db.exec("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB) STRICT");
  const clock = testClock();
  const troubles: (string | null)[] = [];
  const commits: number[] = [];
  const group = createCommitGroup(db, {
    clock,
    begun: () => commits.push(1),
    undone: () => {},
    onFull: () => options.onFull?.(db),
    onTrouble: (error) => troubles.push(error),
  });
  const insert = db.prepare("INSERT INTO rows (id, body) VALUES (?, ?)");
  const count = db.prepare<[], { n: number }>("SELECT count(*) AS n FROM rows");
  return {
    db,
    clock,
    group,
    troubles,
    commits,
    write: (id: number, body = Buffer.alloc(10)) => group.write(() => insert.run(id, body).changes),
    count: () => count.get()!.n,
  };
}

test("the writes of a tick share one commit", async (t) => {
  const { db, write, commits, count } = open(tempFolder(t));
  await Promise.all(Array.from({ length: 100 }, (_, id) => write(id)));
  assert.equal(commits.length, 1);
  assert.equal(count(), 100);
  db.close();
});

test("a row that breaks is undone alone, with what it had done before it broke", async (t) => {
  const { db, group, write, count, commits } = open(tempFolder(t));
  const bad = group.write(() => {
    db.prepare("INSERT INTO rows (id) VALUES (50)").run();
    throw new Error("broke");
  });
  const [first, , last] = await Promise.allSettled([write(1), bad, write(2)]);
  assert.deepEqual([first.status, last.status], ["fulfilled", "fulfilled"]);
  await assert.rejects(bad, /broke/);
  assert.equal(count(), 2);
  assert.equal(commits.length, 2, "once without savepoints, once with");
  db.close();
});

test("commits wait for the disk, but for those that hold nothing worth it", async (t) => {
  const { db, group, write } = open(tempFolder(t));
  db.pragma("synchronous = FULL");
  const sync = () => db.pragma("synchronous", { simple: true });
  await group.write(() => 1, { isForgettable: true });
  assert.equal(sync(), 1);
  await Promise.all([write(1), group.write(() => 1, { isForgettable: true })]);
  assert.equal(sync(), 2);
  db.close();
});

test("on a full disk room is made, and the same writes are tried again", async (t) => {
  let freed = 0;
  const { db, clock, write, troubles, count } = open(tempFolder(t), {
    onFull(full) {
      freed++;
      if (freed === 2) full.pragma("max_page_count = 100000");
    },
  });
  db.pragma("max_page_count = 20");
  const writes = [write(1, Buffer.alloc(500_000)), write(2)];
  await clock.advance(1_000);
  assert.deepEqual(await Promise.all(writes), [1, 1]);
  assert.equal(freed, 2);
  assert.equal(count(), 2);
  assert.deepEqual(troubles, [], "trouble of a moment is not worth a word");
  db.close();
});

test("one commit takes no more bytes than the event loop can spare", async (t) => {
  const { db, group, commits } = open(tempFolder(t));
  await Promise.all(Array.from({ length: 6 }, () => group.write(() => 1, { bytes: 2 * 2 ** 20 })));
  assert.equal(commits.length, 3);
  db.close();
});

test("while the disk stays full, each write waits ten seconds of its own, then is told", async (t) => {
  const { db, clock, write, group } = open(tempFolder(t));
  db.pragma("max_page_count = 20");
  const early = assert.rejects(write(1, Buffer.alloc(500_000)), { code: "store_unavailable", message: /full/ });
  await clock.advance(6_000);
  let isTold = false;
  const late = assert.rejects(write(2, Buffer.alloc(500_000)), { code: "store_unavailable" }).then(() => {
    isTold = true;
  });
  await clock.advance(5_000);
  await early;
  assert.equal(isTold, false);
  assert.match(group.trouble() ?? "", /full/);
  await clock.advance(6_000);
  await late;
  db.pragma("max_page_count = 100000");
  assert.equal(await write(3), 1);
  assert.equal(group.trouble(), null);
  db.close();
});
