import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { createNames } from "../../../src/store/core/rows/ids.ts";
import { LIMIT } from "../../../src/store/core/rows/numbers.ts";
import { about, apart, insert, type Job, job, sql, type Tx } from "../../../src/store/core/tx.ts";
import { createRunner, type Surroundings } from "../../../src/store/postgres/batch.ts";
import { type Block, createIdBlocks, MoreIds } from "../../../src/store/postgres/ids.ts";
import { type Kind, kindOf } from "../../../src/store/postgres/locks.ts";
import { createRounds } from "../../../src/store/postgres/rounds.ts";
import { migrate } from "../../../src/store/postgres/schema/migrate.ts";
import { isTrouble } from "../../../src/store/postgres/wire/errors.ts";
import type { Transaction } from "../../../src/store/postgres/wire/transaction.ts";
import { testClock } from "../../support/ports.ts";
import { noPostgres, testDatabase } from "../../support/postgres.ts";
import { wireTo } from "../../support/postgres-store.ts";
import { waitFor } from "../../support/wait.ts";

const skip = noPostgres;

const add = insert("rows", ["id", "body"]);
const COUNT = sql<[], { n: number }>("SELECT count(*) AS n FROM rows");
const count = async (tx: Tx) => (await tx.get(COUNT, []))!.n;

async function open(t: TestContext) {
  const { url, server, name } = await testDatabase(t);
  const wire = await wireTo(url);
  t.after(() => wire.close());
  await migrate(wire);
  await server.ask("CREATE TABLE rows (id int8 PRIMARY KEY, body text)", name);
  const [[mark]] = (await server.ask("SELECT encode(value, 'hex') FROM meta WHERE name = 'names'", name)) as [[string]];
  const life = { epoch: "", number: 0, beganAt: null, names: createNames([{ first: 1, tag: 1 }]), mark };
  const runner = createRunner({ now: () => 0, relay: { writer: "one" } } as Surroundings, createIdBlocks(testClock()));
  /** Runs jobs of one kind in one transaction; `rounds`: how many times it has sent something that it waited for. */
  async function run(
    jobs: Job<unknown>[],
    {
      ids = 16,
      kind = kindOf(jobs[0]!),
      asked,
    }: { ids?: number; kind?: Kind; asked?: (text: string) => Promise<void> } = {},
  ) {
    let rounds = 0;
    const results = await wire.transaction((transaction) => {
      const cork = () => {
        rounds++;
        transaction.cork();
      };
      const query: Transaction["query"] = async (one) => {
        const answer = await transaction.query(one);
        await asked?.(one.text);
        return answer;
      };
      const seen = { ...transaction, cork, ...(asked && { query }) };
      return runner.run(seen, { kind, jobs }, { token: randomUUID(), ids, at: 0, node: "", life });
    });
    return { results, rounds };
  }
  const read = <T>(work: (tx: Tx) => Promise<T>) =>
    wire.transaction((transaction) => runner.read(transaction, job(work), life), { readonly: true });
  return { run, read, ask: (text: string) => server.ask(text, name) };
}

test("a statement that comes after the end of its job fails, and reaches no other transaction", { skip }, async (t) => {
  const { run, read } = await open(t);
  let late: Promise<void> | undefined;
  const forgotten = async (tx: Tx) => {
    await count(tx);
    add(tx, { id: 1, body: "late" });
  };
  await run([
    job(async (tx) => {
      late = forgotten(tx);
      late.catch(() => {});
    }),
  ]);
  await assert.rejects(late!, /a statement came after the end of its job/);
  assert.equal(await read(count), 0);
});

test("a job that asks on after its connection was lost between two rounds fails, and nothing else does", {
  skip,
}, async (t) => {
  const { run, read, ask } = await open(t);
  const isBegun = Promise.withResolvers<void>();
  const isOver = Promise.withResolvers<void>();
  const late = Promise.withResolvers<unknown>();
  const running = run([
    job(async (tx) => {
      await count(tx);
      isBegun.resolve();
      await isOver.promise;
      await count(tx).catch(late.resolve);
    }),
  ]);
  running.catch(() => {});
  await isBegun.promise;
  const ending =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname =";
  await waitFor(async () => (await ask(`${ending} current_database()`)).length > 0);
  await assert.rejects(running, isTrouble);
  isOver.resolve();
  assert.match(String(await late.promise), /after the end of its transaction/);
  assert.equal(await read(count), 0);
});

test("a transaction that throws at a statement fails the rounds of its jobs", async () => {
  const refuse = () => {
    throw new Error("refused");
  };
  const rounds = createRounds({ query: refuse, cork() {}, uncork() {}, cut() {} });
  await assert.rejects(rounds.ask(0, { name: "", text: "SELECT 1", values: [] }), /refused/);
  assert.equal(rounds.hasFailed(), true);
});

test("what a job refuses before it writes is its answer; what fails after that undoes the batch", {
  skip,
}, async (t) => {
  const { run, read } = await open(t);
  const good = (id: number) => about(`v${id}`, async (tx) => add(tx, { id, body: "good" }));
  const refusing = about("v2", async (tx) => {
    await count(tx);
    throw new Error("refused");
  });
  const { results } = await run([good(1), refusing, good(3)]);
  assert.deepEqual(
    results.map((one) => ("error" in one ? (one.error as Error).message : "done")),
    ["done", "refused", "done"],
  );
  assert.equal(await read(count), 2);
  const failing = about("v5", async (tx) => {
    add(tx, { id: 5, body: "bad" });
    await count(tx);
    throw new Error("broke");
  });
  await assert.rejects(run([good(4), failing]), /broke/);
  await assert.rejects(run([good(4), good(1)]), { code: "23505" }, "a write that nothing waited for");
  assert.equal(await read(count), 2);
});

test("jobs about different videos take as many round trips as the longest of them, those about one follow each other", {
  skip,
}, async (t) => {
  const { run } = await open(t);
  const counting = (videoId: string, times: number) =>
    about(videoId, async (tx) => {
      const seen: number[] = [];
      for (let n = 0; n < times; n++) seen.push(await count(tx));
      add(tx, { id: tx.ids.next(), body: videoId });
      return seen;
    });
  const alone = await run([counting("v0", 5)]);
  const beside = await run(Array.from({ length: 20 }, (_, n) => counting(`v${n}`, 1 + (n % 5))));
  assert.equal(beside.rounds, alone.rounds);
  const { results } = await run([counting("v", 2), counting("v", 2), counting("v", 1)]);
  const [first, second, third] = results.map((one) => (one as { value: number[] }).value);
  assert.deepEqual([second![0]! - first![0]!, third![0]! - first![0]!], [1, 2]);
});

test("what jobs about different videos ask alike is one statement, and each has its own answer", {
  skip,
}, async (t) => {
  const { run, ask, read } = await open(t);
  await ask("INSERT INTO rows (id, body) SELECT n, 'v' || n % 7 FROM generate_series(1, 30) AS n");
  const OF = sql<[string, number], { id: number }>(
    "SELECT id FROM rows WHERE body = ? AND id <= ? ORDER BY id DESC LIMIT 2",
    ["text", "int8"],
  );
  const RENAME = sql<[string, number]>("UPDATE rows SET body = ? WHERE id = ?");
  const texts: string[] = [];
  const working = (nth: number) =>
    about(`v${nth}`, async (tx) => {
      const found = (await tx.all(OF, [`v${nth}`, 20])).map(({ id }) => id);
      const id = 100 + nth;
      add(tx, { id, body: "a'\"{}\\,NULL" });
      // Comes behind what the same job has added.
      if (nth % 2 === 0) tx.write(RENAME, [`changed ${id}`, id]);
      add(tx, { id: id + 100, body: null });
      return [found, (await tx.get(OF, [`changed ${id}`, id]))?.id, await tx.all(OF, ["nothing", id])];
    });
  const { results } = await run(
    Array.from({ length: 11 }, (_, nth) => working(nth)),
    {
      asked: async (text) => void texts.push(text),
    },
  );
  assert.deepEqual(
    results.map((one) => (one as { value: unknown }).value),
    Array.from({ length: 11 }, (_, nth) => {
      const found = [nth, nth + 7, nth + 14].filter((id) => id > 0 && id <= 20 && nth < 7);
      return [found.reverse().slice(0, 2), nth % 2 === 0 ? 100 + nth : undefined, []];
    }),
  );
  const count = (pattern: RegExp) => texts.filter((text) => pattern.test(text)).length;
  assert.equal(count(/ORDER BY id DESC/), 3, "one a round");
  // Sixteen rows, and six that are added behind a change: four and two.
  assert.equal(count(/^INSERT INTO rows/), 3);
  assert.equal(count(/^UPDATE rows/), 6);
  const added = sql<[], { body: string | null; n: number }>(
    "SELECT left(body, 7) AS body, count(*) AS n FROM rows WHERE id >= 100 GROUP BY left(body, 7) ORDER BY left(body, 7)",
  );
  assert.deepEqual(
    (await read((tx) => tx.all(added, []))).map(({ body, n }) => [body, n]),
    [
      ["a'\"{}\\,", 5],
      ["changed", 6],
      [null, 11],
    ],
  );
});

test("ids are given in the order in which jobs came, and a job that wants more than it has fails for that", {
  skip,
}, async (t) => {
  const { run } = await open(t);
  const taking = (videoId: string, ids: number) => about(videoId, async (tx) => tx.ids.block(ids));
  const { results } = await run(["v3", "v1", "v2", "v1"].map((videoId) => taking(videoId, 16)));
  const first = results.map((one) => (one as { value: number }).value);
  assert.deepEqual(
    first.map((id) => id - first[0]!),
    [0, 16, 32, 48],
  );
  await assert.rejects(run([taking("v1", 17)]), MoreIds);
  const after = await run([taking("v1", 17)], { ids: 17 });
  assert.ok((after.results[0] as { value: number }).value > first.at(-1)!);
});

test("what a transaction under way may have given is beyond the horizon, until it has ended", { skip }, async (t) => {
  const { run, read } = await open(t);
  const horizon = () => read((tx) => tx.horizon());
  assert.equal(await horizon(), LIMIT + 1, "nothing is under way");
  let given = 0;
  let seen = 0;
  await run([
    about("v1", async (tx) => {
      given = tx.ids.next();
      // Another connection looks while this one waits for nothing.
      seen = await horizon();
    }),
  ]);
  assert.equal(seen, given);
  assert.equal(await horizon(), LIMIT + 1);
});

test("no greater id is given out before a transaction is known to be under way", { skip }, async (t) => {
  const { run, read, ask } = await open(t);
  const isHeld = Promise.withResolvers<void>();
  const isSeen = Promise.withResolvers<void>();
  const first = testClock().now() * 1024;
  const holding = run([
    about("v1", async (tx) => {
      await tx.get(sql<[number]>("SELECT pg_advisory_xact_lock(?)"), [first + 16]);
      isHeld.resolve();
      await isSeen.promise;
      return tx.ids.next();
    }),
  ]);
  await isHeld.promise;
  // The second waits for the lock on its first id, which here stands in its way.
  const waiting = run([about("v2", async (tx) => tx.ids.next())]);
  await waitFor(
    async () => (await ask("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).length > 0,
  );
  assert.deepEqual(await ask("SELECT last_value FROM ids"), [[String(first + 15)]]);
  assert.equal(await read((tx) => tx.horizon()), first);
  isSeen.resolve();
  const ids = (await Promise.all([holding, waiting])).map(({ results }) => (results[0] as { value: number }).value);
  assert.deepEqual(ids, [first, first + 16]);
});

test("ids that a large transaction leaves over go to smaller ones, and what is given out never goes back", {
  skip,
}, async (t) => {
  const { run, ask } = await open(t);
  const take = async (ids: number) => {
    const { results } = await run([about("v1", async (tx) => tx.ids.block(3))], { ids });
    return (results[0] as { value: number }).value;
  };
  const given = async () => Number((await ask("SELECT last_value FROM ids"))[0]![0]);
  const first = await take(100);
  const last = await given();
  assert.equal(last, first + 99);
  for (const nth of [1, 2, 3]) {
    assert.equal(await take(16), first + 3 * nth);
    assert.equal(await given(), last);
  }
  assert.equal(await take(100), first + 12);
  assert.equal(await given(), first + 111);
});

test("a transaction that fails while it draws its ids does not keep the lock of that", { skip }, async (t) => {
  const { run, ask } = await open(t);
  const take = () => run([about("v1", async (tx) => tx.ids.next())]);
  await take();
  await ask("ALTER SEQUENCE ids MAXVALUE 4000000000000000");
  await ask("SELECT setval('ids', 4000000000000000 - 1)");
  await assert.rejects(take(), { code: "22003" });
  await waitFor(async () => (await ask("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")).length === 0);
  await ask("SELECT setval('ids', 1)");
  await take();
});

test("what transactions of two kinds count at one time is counted in all", { skip }, async (t) => {
  const { run, ask } = await open(t);
  const counting = async (tx: Tx) => tx.tally("attempts", "cms", { isOk: true, ms: 7 });
  const isRead = Promise.withResolvers<void>();
  const isDone = Promise.withResolvers<void>();
  const first = run([about("v1", counting)], {
    async asked(text) {
      if (!text.includes("FROM tallies")) return;
      isRead.resolve();
      await isDone.promise;
    },
  });
  await isRead.promise;
  await run([apart("audit", counting)]);
  isDone.resolve();
  await first;
  assert.deepEqual(await ask("SELECT sum(ok) FROM tallies"), [["2"]]);
});

test("no two sessions count in one row, whichever have ended meanwhile, and their rows are used again", {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { url, server, name } = await testDatabase(t);
  /** A session in a transaction. It counts when it is asked to, and waits for nothing that is not committed. */
  async function session() {
    const wire = await wireTo(url);
    await migrate(wire);
    const [isThere, mayEnd] = [Promise.withResolvers<Transaction>(), Promise.withResolvers<void>()];
    const work = wire.transaction(async (transaction) => {
      await transaction.query({ name: "", text: "SELECT 1", values: [] });
      isThere.resolve(transaction);
      await mayEnd.promise;
    });
    const transaction = await isThere.promise;
    return {
      count: () => transaction.query({ name: "", text: "SELECT count_rows('here', 1)", values: [] }),
      async end() {
        mayEnd.resolve();
        await work;
        await wire.close();
      },
    };
  }
  const sessions = [];
  for (let nth = 0; nth < 6; nth++) sessions.push(await session());
  // Each counts beside those that have counted before it, but for the first two, which have ended by then.
  for (const [nth, one] of sessions.entries()) {
    await one.count();
    if (nth === 2 || nth === 3) await sessions[nth - 2]!.end();
  }
  for (const one of sessions.slice(2)) await one.end();
  const rows = (await server.ask("SELECT slot, value FROM counts WHERE name = 'here'", name)).map((row) =>
    row.map(Number),
  );
  assert.deepEqual(rows.map(([, value]) => value!).sort(), [1, 1, 2, 2]);
});

test("of transactions of one store that are under way at once, none is given what another has drawn", {
  skip,
}, async (t) => {
  const { url } = await testDatabase(t);
  const wire = await wireTo(url);
  t.after(() => wire.close());
  await migrate(wire);
  const names = createNames([{ first: 1, tag: 1 }]);
  const blocks = createIdBlocks(testClock());
  async function draw(size: number): Promise<Block> {
    const drawing = blocks.draw(size);
    const text = "SELECT first FROM take_ids($1::int8, $2::int8, $3::int8, $4::int8)";
    const { rows } = await wire.query({ name: "", text, values: drawing.asked });
    return drawing.open((rows[0] as { first: number }).first, size, names);
  }
  const given: number[] = [];
  function use(block: Block, count: number): void {
    const first = block.of(0).block(count);
    for (let n = 0; n < count; n++) given.push(first + n);
  }
  for (let round = 0; round < 6; round++) {
    const [one, other] = [await draw(16), await draw(16)];
    use(one, 3);
    use(other, 9);
    // The one that has drawn first ends last, or first.
    for (const each of round % 2 === 0 ? [other, one] : [one, other]) each.end();
    const next = await draw(40);
    use(next, 40);
    next.end();
  }
  assert.equal(new Set(given).size, given.length);
});
