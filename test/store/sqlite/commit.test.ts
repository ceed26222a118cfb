import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { createCommitGroup } from "../../../src/store/sqlite/commit/group.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock } from "../../support/ports.ts";

type Options = { onFailure?(db: Database.Database): void; lost?(): string | null };

function open(dir: string, options: Options = {}) {
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
    lost: options.lost,
    probe: (bytes) => void db.prepare("INSERT OR REPLACE INTO rows VALUES (0, randomblob(?))").run(bytes),
    onFailure: () => options.onFailure?.(db),
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
    write: (id: number, body = Buffer.alloc(10)) =>
      group.write(() => insert.run(id, body).changes, { bytes: body.length }),
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

test("on a full disk room is made, and the same writes are tried again", async (t) => {
  let freed = 0;
  const { db, clock, write, troubles, count } = open(tempFolder(t), {
    onFailure(full) {
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
  const third = write(3, Buffer.alloc(500_000));
  await clock.advance(1_000);
  assert.equal(await third, 1);
  assert.equal(group.trouble(), null);
  db.close();
});

test("the trouble of a large write is over when one as large goes through, not before", async (t) => {
  const { db, clock, write, group, troubles } = open(tempFolder(t));
  db.pragma("max_page_count = 20");
  const large = assert.rejects(write(1, Buffer.alloc(500_000)), { code: "store_unavailable" });
  await clock.advance(11_000);
  await large;
  const another = assert.rejects(write(2, Buffer.alloc(500_000)), { code: "store_unavailable" });
  const small = write(3);
  await clock.advance(1_000);
  assert.equal(await small, 1, "there is room for a small one, which waits for no large one");
  assert.match(group.trouble() ?? "", /full/);
  const probed = assert.rejects(group.probe(), { code: "store_unavailable" });
  await clock.advance(1_000);
  await probed;
  await clock.advance(11_000);
  await another;
  db.pragma("max_page_count = 100000");
  const good = group.probe();
  await clock.advance(1_000);
  await good;
  assert.equal(group.trouble(), null);
  assert.deepEqual(troubles.at(-1), null);
  await group.close();
  db.close();
});

test("that trouble is over is found out without any write", async (t) => {
  const { db, clock, write, group } = open(tempFolder(t));
  db.pragma("max_page_count = 20");
  const large = assert.rejects(write(1, Buffer.alloc(500_000)), { code: "store_unavailable" });
  await clock.advance(11_000);
  await large;
  db.pragma("max_page_count = 100000");
  await clock.advance(30_000);
  assert.equal(group.trouble(), null);
  await group.close();
  db.close();
});

test("what was committed to a file that is gone fails at once, and is not done again", async (t) => {
  let lost: string | null = "x.db was deleted";
  const { db, write, group, troubles, count } = open(tempFolder(t), { lost: () => lost });
  await assert.rejects(write(1), { code: "store_unavailable", message: "x.db was deleted" });
  assert.equal(group.trouble(), "x.db was deleted");
  lost = null;
  assert.equal(await write(2), 1);
  assert.equal(count(), 2);
  assert.deepEqual(troubles, ["x.db was deleted", null]);
  await group.close();
  db.close();
});

test("closing waits for no disk: what fails then fails at once", async (t) => {
  const { db, write, group } = open(tempFolder(t));
  db.pragma("max_page_count = 20");
  const waiting = assert.rejects(write(1, Buffer.alloc(500_000)), { code: "store_unavailable", message: /full/ });
  await group.close();
  await waiting;
  db.close();
});

test("where events and the work on them wait, each has half of every commit", async (t) => {
  const { db, group, commits } = open(tempFolder(t));
  const order: string[] = [];
  const add = (line: "intake" | "work", count: number) =>
    Array.from({ length: count }, () => group.write(() => order.push(`${commits.length} ${line}`), { line }));
  await Promise.all([...add("intake", 1_000), ...add("work", 300)]);
  const count = (what: string) => order.filter((each) => each === what).length;
  assert.deepEqual(
    [1, 2, 3, 4].map((commit) => [count(`${commit} intake`), count(`${commit} work`)]),
    [
      [128, 128],
      [128, 128],
      [212, 44],
      [256, 0],
    ],
  );
  await Promise.all([...add("work", 1_000), ...add("intake", 300)]);
  assert.deepEqual([count("7 intake"), count("7 work")], [128, 128], "the work of a long outage holds no event up");
  db.close();
});
