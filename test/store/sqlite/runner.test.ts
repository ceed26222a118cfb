import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { insert, job, sql, type Tx } from "../../../src/store/core/tx.ts";
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
  const counted: string[] = [];
  const sums = { add: (_: number, kind: string, label: string) => void counted.push(`${kind} ${label}`) };
  const prepared: string[] = [];
  const noting = {
    prepare(text: string) {
      prepared.push(text);
      return db.prepare(text);
    },
  } as Sql;
  const run = createRunner(noting, { now: () => 0 } as Surroundings, sums);
  const never = () => {};
  const group = createCommitGroup(db, {
    ...{
      clock: testClock(),
      begun: () => void counted.splice(0),
      undone: never,
      probe: never,
      onFailure: never,
      onTrouble: never,
    },
  });
  const write = <T>(work: (tx: Tx) => Promise<T>) => group.write(() => run(job(work)));
  const read = <T>(work: (tx: Tx) => Promise<T>) => group.read(() => run(job(work)));
  const count = async (tx: Tx) => (await tx.get(COUNT, []))!.n;
  return { write, read, count, counted, prepared };
}

test("what jobs count is added up where they succeed, once, also when their commit was begun anew for a bad one", async (t) => {
  const { write, counted } = open(t);
  const good = (label: string) => write(async (tx) => tx.tally("media", label, { isOk: true }));
  const bad = write(async (tx) => {
    tx.tally("media", "bad", { isOk: true });
    throw new Error("no");
  });
  await Promise.all([good("one"), assert.rejects(bad), good("two")]);
  assert.deepEqual(counted, ["media one", "media two"]);
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
