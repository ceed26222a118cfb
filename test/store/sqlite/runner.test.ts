import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { about, insert, job, sql, type Tx } from "../../../src/store/core/tx.ts";
import { createCommitGroup } from "../../../src/store/sqlite/commit/group.ts";
import type { Sql } from "../../../src/store/sqlite/rows/sql.ts";
import { createRunner, type Surroundings } from "../../../src/store/sqlite/runner.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock } from "../../support/ports.ts";

const add = insert("rows", ["id", "body"]);
const COUNT = sql<[], { n: number }>("SELECT count(*) AS n FROM rows");

function open(t: TestContext) {
  const db = new Database(join(tempFolder(t), "x.db"));
  t.after(() => db.close());
  db.exec("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT) STRICT");
  db.exec("CREATE TABLE others (id INTEGER PRIMARY KEY, rows INTEGER) STRICT");
  const counted: string[] = [];
  const sums = {
    add: (_: number, kind: string, label: string) => void counted.push(`${kind} ${label}`),
    count: (of: string, by: number) => void counted.push(`${of} ${by}`),
  };
  const prepared: string[] = [];
  const noting = {
    prepare(text: string) {
      prepared.push(text);
      return db.prepare(text);
    },
  } as Sql;
  const { run, flush, forget } = createRunner(noting, { now: () => 0 } as Surroundings, sums);
  const never = () => {};
  const group = createCommitGroup(db, {
    ...{
      clock: testClock(),
      begun() {
        counted.splice(0);
        forget();
      },
      ending: async () => flush(),
      undone: never,
      probe: never,
      onFailure: never,
      onTrouble: never,
    },
  });
  const write = <T>(work: (tx: Tx) => Promise<T>) => group.write((alone) => run(job(work), alone));
  const writeOf = <T>(video: string, work: (tx: Tx) => Promise<T>) =>
    group.write((alone) => run(about(video, work), alone));
  const read = <T>(work: (tx: Tx) => Promise<T>) => group.read(() => run(job(work)));
  const count = async (tx: Tx) => (await tx.get(COUNT, []))!.n;
  return { write, writeOf, read, count, counted, prepared };
}

test("what jobs count is added up where they succeed, once, also when their commit was begun anew for a bad one", async (t) => {
  const { write, counted } = open(t);
  const good = (label: string) =>
    write(async (tx) => {
      tx.tally("media", label, { isOk: true });
      tx.count("videos", 1);
    });
  const bad = write(async (tx) => {
    tx.tally("media", "bad", { isOk: true });
    tx.count("events", 1);
    throw new Error("no");
  });
  await Promise.all([good("one"), assert.rejects(bad), good("two")]);
  assert.deepEqual(counted, ["media one", "videos 1", "media two", "videos 1"]);
});

test("a statement that is made anew with the same text is prepared once; those that were used last are kept, up to 100,000 characters", async (t) => {
  const { read, prepared } = open(t);
  const ask = (n: number) => read((tx) => tx.all(sql<[], { n: number }>(`SELECT ${n} AS n`.padEnd(1_000)), []));
  for (let round = 0; round < 3; round++) for (let n = 0; n < 90; n++) assert.deepEqual(await ask(n), [{ n }]);
  assert.equal(prepared.length, 90);
  for (let n = 0; n < 200; n++) await ask(n);
  for (let n = 0; n < 200; n++) await ask(n);
  assert.equal(prepared.length, 400, "of the first 200 it has 90, of the next none");
});

test("nothing of the event loop comes between the jobs of a commit", async (t) => {
  const { write, count } = open(t);
  let isOpen = false;
  let between = 0;
  let looks = 0;
  let isOver = false;
  const look = () => {
    looks++;
    if (isOpen) between++;
    if (!isOver) setImmediate(look);
  };
  look();
  const timer = setInterval(look, 0);
  t.after(() => clearInterval(timer));
  for (let batch = 0; batch < 50; batch++) {
    const jobs = Array.from({ length: 64 }, (_, n) =>
      write(async (tx) => {
        isOpen = true;
        for (let read = 0; read < 5; read++) await count(tx);
        add(tx, { id: batch * 64 + n, body: "x" });
        if (n === 63) isOpen = false;
      }),
    );
    await Promise.all(jobs);
  }
  isOver = true;
  assert.ok(looks > 50);
  assert.equal(between, 0);
});

test("a read does not see what a commit under way has written", async (t) => {
  const { write, read, count } = open(t);
  const seen: Promise<number>[] = [];
  await write(async (tx) => {
    add(tx, { id: 1, body: "first" });
    seen.push(read(count));
    await count(tx);
    add(tx, { id: 2, body: "second" });
  });
  assert.deepEqual(await Promise.all(seen), [2]);
});

test("a statement that comes after the end of its job fails, and reaches no other transaction", async (t) => {
  const { write, read, count } = open(t);
  let late: Promise<void> | undefined;
  const forgotten = async (tx: Tx) => {
    for (let n = 0; n < 5; n++) await count(tx);
    add(tx, { id: 1, body: "late" });
  };
  await write(async (tx) => {
    late = forgotten(tx);
    late.catch(() => {});
  });
  await assert.rejects(late!, /a statement came after the end of its job/);
  assert.equal(await read(count), 0);
});

test("a job that fails is undone alone", async (t) => {
  const { write, read, count } = open(t);
  const bad = write(async (tx) => {
    add(tx, { id: 9, body: "bad" });
    await count(tx);
    throw new Error("broke");
  });
  const good = [write(async (tx) => add(tx, { id: 1, body: "a" })), write(async (tx) => add(tx, { id: 2, body: "b" }))];
  await assert.rejects(bad, /broke/);
  await Promise.all(good);
  assert.equal(await read(count), 2);
});

test("rows that jobs about several videos add are written by one statement, before a job reads", async (t) => {
  const { write, writeOf, count, prepared } = open(t);
  const adds = Array.from({ length: 11 }, (_, id) => writeOf(`v${id}`, async (tx) => add(tx, { id, body: "x" })));
  const counts = write(count);
  await Promise.all([...adds, writeOf("v1", async (tx) => add(tx, { id: 99, body: "x" }))]);
  assert.equal(await counts, 11);
  assert.deepEqual(added(prepared), [8, 2, 1], "all of the first eleven, and the last again by the statement for one");
});

/** How many rows each statement has added. */
const added = (prepared: string[]) =>
  prepared.filter((text) => text.startsWith("INSERT")).map((text) => text.match(/\(\?/g)!.length);

test("rows wait past statements about other tables, and are there for those that name theirs, however they do", async (t) => {
  const { writeOf, prepared } = open(t);
  const seen: unknown[] = [];
  const look = (video: string, id: number, text: string) =>
    writeOf(video, async (tx) => {
      add(tx, { id, body: "x" });
      seen.push(((await tx.get(sql<[], { n: unknown }>(text), [])) ?? { n: null }).n);
    });
  await Promise.all([
    ...[0, 1, 2, 3].map((id) => look(`v${id}`, id, "SELECT count(*) AS n, sum(rows) AS rows FROM others")),
    look("v4", 4, "SELECT (SELECT count(*)\n FROM rows) AS n"),
    look("v5", 5, "SELECT r.id AS n FROM others o RIGHT JOIN rows r ON r.id = o.id WHERE r.id = 5"),
    look("v6", 6, "SELECT r.id AS n FROM others o, rows r WHERE r.id = 6"),
    look("v7", 7, "UPDATE rows SET body = 'y' WHERE id = 7 RETURNING id AS n"),
    look("v8", 8, "DELETE FROM rows WHERE id = 8 RETURNING id AS n"),
  ]);
  assert.deepEqual(seen, [0, 0, 0, 0, 5, 5, null, 7, 8]);
  assert.deepEqual(added(prepared), [2, 1]);
});

test("of rows that are added once more in one commit the last one stays", async (t) => {
  const { writeOf, read, prepared } = open(t);
  const put = insert("rows", ["id", "body"], "ON CONFLICT (id) DO UPDATE SET body = excluded.body");
  await Promise.all(["a", "b"].map((body, at) => writeOf(`v${at}`, async (tx) => put(tx, { id: 1, body }))));
  const all = sql<[], { id: number; body: string }>("SELECT * FROM rows");
  assert.deepEqual(await read((tx) => tx.all(all, [])), [{ id: 1, body: "b" }]);
  assert.deepEqual(added(prepared), [2]);
});

test("a row that cannot be added fails its own job, and no other of its commit", async (t) => {
  const { writeOf, read, count, counted } = open(t);
  const addOne = (video: string, id: number) =>
    writeOf(video, async (tx) => {
      add(tx, { id, body: video });
      tx.count("videos", 1);
    });
  const breaking = writeOf("v5", async (tx) => {
    add(tx, { id: 5, body: "v5" });
    throw new Error("broke");
  });
  const [, , bad, broke] = await Promise.allSettled([
    ...[addOne("v1", 1), addOne("v2", 2), addOne("v3", 1), breaking, addOne("v4", 4)],
  ]);
  assert.match(String((bad as PromiseRejectedResult).reason), /UNIQUE constraint failed/);
  assert.match(String((broke as PromiseRejectedResult).reason), /broke/);
  assert.equal(await read(count), 3);
  assert.deepEqual(counted, ["videos 1", "videos 1", "videos 1"]);
});

test("a statement that fails rejects, so that none of several at once is left without a handler", async (t) => {
  const { write } = open(t);
  const missing = sql<[], { n: number }>("SELECT n FROM nowhere");
  await assert.rejects(
    write(async (tx) => {
      const first = async () => (await tx.get(missing, []))!.n;
      await Promise.all([first(), tx.get(missing, []), tx.all(missing, []), tx.changed(missing, [])]);
    }),
    /no such table/,
  );
});
