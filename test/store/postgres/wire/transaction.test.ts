import assert from "node:assert/strict";
import { test } from "node:test";
import { CommitInDoubt, isTrouble } from "../../../../src/store/postgres/wire/errors.ts";
import type { Wire } from "../../../../src/store/postgres/wire/open.ts";
import { testClock, testPorts } from "../../../support/ports.ts";
import { noPostgres, startPostgres, type TestDatabase, testDatabase } from "../../../support/postgres.ts";
import { waitFor } from "../../../support/wait.ts";
import { outcomeOf, statement, tapWire, testWire } from "../../../support/wire.ts";

const skip = noPostgres;

async function withTable(t: Parameters<typeof testDatabase>[0]): Promise<TestDatabase & { rows(): Promise<string[]> }> {
  const database = await testDatabase(t);
  await database.server.ask("CREATE TABLE here (n int8 PRIMARY KEY, body bytea)", database.name);
  return {
    ...database,
    rows: async () => (await database.server.ask("SELECT n FROM here ORDER BY n", database.name)).flat(),
  };
}

const put = (n: number) => statement("INSERT INTO here (n) VALUES ($1)", n);

/** Trouble that leaves no doubt: nothing was committed. */
function isCertain(error: unknown): boolean {
  return isTrouble(error) && !(error instanceof CommitInDoubt);
}

test("what a transaction wrote without waiting for it is committed with it", { skip }, async (t) => {
  const { url, rows } = await withTable(t);
  const wire = await testWire(t, url);
  const result = await wire.transaction(async (tx) => {
    tx.cork();
    void tx.query(put(1));
    void tx.query(put(2));
    tx.uncork();
    return "done";
  });
  assert.equal(result, "done");
  assert.deepEqual(await rows(), ["1", "2"]);
});

test("numbers of 64 bits and sums are numbers, and bytes are bytes", { skip }, async (t) => {
  const { url } = await withTable(t);
  const wire = await testWire(t, url);
  const found = await wire.transaction(async (tx) => {
    void tx.query({
      name: "put",
      text: "INSERT INTO here VALUES ($1, $2)",
      values: [2 ** 52, new Uint8Array([0, 255])],
    });
    return tx.query(statement("SELECT n, body, sum(n) OVER () AS sum FROM here"));
  });
  assert.equal(found.rowCount, 1);
  const [{ n, body, sum }] = found.rows as [{ n: number; body: Uint8Array; sum: number }];
  assert.deepEqual([n, sum, [...body]], [2 ** 52, 2 ** 52, [0, 255]]);
});

test("a write that fails after the work has ended: COMMIT is answered ROLLBACK, and the transaction fails with that write's error", {
  skip,
}, async (t) => {
  const { url, rows } = await withTable(t);
  const wire = await testWire(t, url);
  const failing = wire.transaction(async (tx) => {
    void tx.query(put(1));
    void tx.query(put(1));
    void tx.query(put(2));
  });
  await assert.rejects(failing, (error: Error & { code: string }) => error.code === "23505" && !isTrouble(error));
  assert.deepEqual(await rows(), []);
});

test("work that throws is rolled back, and what it threw is the error", { skip }, async (t) => {
  const { url, rows } = await withTable(t);
  const wire = await testWire(t, url);
  const own = new Error("refused");
  const failing = wire.transaction(async (tx) => {
    await tx.query(put(1));
    throw own;
  });
  await assert.rejects(failing, (error) => error === own);
  await wire.transaction((tx) => tx.query(put(2)));
  assert.deepEqual(await rows(), ["2"]);
});

test("a statement after the end of its transaction fails, and reaches no other one", { skip }, async (t) => {
  const { url, rows } = await withTable(t);
  const wire = await testWire(t, url);
  const kept = await wire.transaction(async (tx) => tx);
  // Nor does one end the process that nothing waits for.
  void kept.query(put(1));
  await assert.rejects(kept.query(put(1)), /after the end of its transaction/);
  assert.deepEqual(await rows(), []);
});

test("a transaction that reads sees one moment, and cannot write", { skip }, async (t) => {
  const { url } = await withTable(t);
  const wire = await testWire(t, url);
  const count = statement("SELECT count(*) AS count FROM here");
  const seen = await wire.transaction(
    async (tx) => {
      const before = await tx.query(count);
      await wire.transaction((other) => other.query(put(1)));
      return [before, await tx.query(count)].map(({ rows }) => rows[0]!.count);
    },
    { readonly: true },
  );
  assert.deepEqual(seen, [0, 0]);
  await assert.rejects(wire.transaction((tx) => tx.query(put(2)), { readonly: true }));
});

test("of two transactions that wait for each other one is tried again, and both are committed", { skip }, async (t) => {
  const { url, server, name } = await withTable(t);
  const wire = await testWire(t, url);
  await wire.transaction(async (tx) => {
    void tx.query(put(1));
    void tx.query(put(2));
  });
  let tries = 0;
  const both = Promise.withResolvers<void>();
  const lockBoth = (first: number, second: number) =>
    wire.transaction(async (tx) => {
      const change = (n: number) =>
        tx.query(statement("UPDATE here SET body = coalesce(body, '') || 'x' WHERE n = $1", n));
      await change(first);
      // Once both have their first.
      if (++tries >= 2) both.resolve();
      await both.promise;
      await change(second);
    });
  await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
  assert.ok(tries > 2);
  assert.deepEqual(await server.ask("SELECT body FROM here", name), [["\\x7878"], ["\\x7878"]]);
});

for (const [what, commit, to, kept] of [
  ["before COMMIT reaches the server", /wire_commit/, "server", []],
  ["before the answer to COMMIT comes back", /COMMIT/, "client", ["1"]],
] as const)
  test(`a connection that is cut ${what} leaves the commit in doubt`, { skip }, async (t) => {
    const { server, name, rows } = await withTable(t);
    const tap = await tapWire(t, server);
    const wire = await testWire(t, tap.url(name));
    await wire.transaction(async () => {});
    tap.watch((bytes, side, { cut }) => {
      const isCommit = side === to && commit.test(bytes.toString("latin1"));
      if (isCommit) cut();
      return !isCommit;
    });
    const failing = wire.transaction((tx) => tx.query(put(1)));
    await assert.rejects(failing, (error) => error instanceof CommitInDoubt && isTrouble(error));
    assert.deepEqual(await rows(), kept);
    tap.watch(() => true);
    await wire.transaction((tx) => tx.query(put(3)));
    assert.deepEqual(await rows(), [...kept, "3"]);
  });

test("a connection that is ended by an operator before COMMIT is trouble, without a doubt", { skip }, async (t) => {
  const { url, server, name, rows } = await withTable(t);
  const wire = await testWire(t, url);
  const failing = wire.transaction(async (tx) => {
    await tx.query(put(1));
    const others =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()";
    await server.ask(others, name);
    await tx.query(put(2));
  });
  await assert.rejects(failing, isCertain);
  await wire.transaction((tx) => tx.query(put(3)));
  assert.deepEqual(await rows(), ["3"]);
});

test("a server that is silent before COMMIT is trouble at the deadline; one that is silent at COMMIT leaves it in doubt", {
  skip,
}, async (t) => {
  const { server, name, rows } = await withTable(t);
  const tap = await tapWire(t, server);
  const clock = testClock();
  const wire = await testWire(t, tap.url(name), { ports: testPorts(clock) });
  await wire.transaction(async (tx) => void tx.query(put(1)));

  for (const isSilentAt of [/INSERT/, /wire_commit/]) {
    let isSilent = false;
    tap.watch((bytes) => {
      isSilent ||= isSilentAt.test(bytes.toString("latin1"));
      return !isSilent;
    });
    const outcome = outcomeOf(wire.transaction((tx) => tx.query(put(2))));
    await waitFor(() => isSilent);
    await clock.advance(4_999);
    assert.equal(await Promise.race([outcome, "waits"]), "waits");
    await clock.advance(1);
    const error = await outcome;
    assert.ok(isTrouble(error), String(error));
    assert.equal(error instanceof CommitInDoubt, isSilentAt.source === "wire_commit");
    assert.match((error as Error).message, /has not answered within 5 s/);
    tap.watch(() => true);
    await comesBack(wire, clock);
  }
  assert.deepEqual(await rows(), ["1"]);
});

/** The server is looked for, and found, while the test's clock goes on. */
async function comesBack(wire: Wire, clock: ReturnType<typeof testClock>): Promise<void> {
  let isBack = false;
  void wire
    .transaction(async () => {})
    .then(
      () => {
        isBack = true;
      },
      () => {},
    );
  await waitFor(async () => {
    await clock.advance(100);
    return isBack;
  });
}

test("what a transaction asked does not go on at the server once its connection is cut, nor does what waits for a lock", {
  skip,
}, async (t) => {
  const { url, server, name } = await withTable(t);
  const clock = testClock();
  const wire = await testWire(t, url, { ports: testPorts(clock) });
  const active = `FROM pg_stat_activity WHERE datname = '${name}' AND state = 'active' AND wait_event_type`;
  const holding = server.ask("BEGIN; LOCK TABLE here; SELECT pg_sleep(600)", name).catch(() => {});
  const count = async (how: string) => Number((await server.ask(`SELECT count(*) ${active} ${how}`))[0]![0]);
  await waitFor(async () => (await count("= 'Timeout'")) === 1);
  const failing = ["SELECT pg_sleep(600)", "LOCK TABLE here"].map((text) =>
    outcomeOf(wire.transaction((tx) => tx.query(statement(text)))),
  );
  const ours = "IN ('Timeout', 'Lock') AND application_name = 'wochit-relay'";
  await waitFor(async () => (await count(ours)) === 2);
  await clock.advance(5_000);
  for (const outcome of await Promise.all(failing)) assert.ok(isCertain(outcome), String(outcome));
  await waitFor(async () => (await count(ours)) === 0);
  assert.equal(await count("= 'Timeout'"), 1, "the lock is held still");
  await server.ask(`SELECT pg_terminate_backend(pid) ${active} = 'Timeout'`);
  await holding;
});

test("work that waits for something else than an answer ends with its connection", { skip }, async (t) => {
  const { url } = await withTable(t);
  const clock = testClock();
  const wire = await testWire(t, url, { ports: testPorts(clock) });
  const begun = Promise.withResolvers<void>();
  const failing = wire.transaction(async () => {
    begun.resolve();
    await new Promise(() => {});
  });
  failing.catch(() => {});
  await begun.promise;
  await clock.advance(5_000);
  await assert.rejects(failing, isCertain);
});

test("a wait for the standby that is canceled leaves the commit in doubt, though the server calls it a success", {
  skip,
}, async (t) => {
  const server = await startPostgres(t, { settings: { synchronous_standby_names: "none_there" } });
  const local = "SET synchronous_commit = local;";
  // A role that hears of no warnings by itself.
  await server.ask(`${local} CREATE TABLE here (n int8); ALTER ROLE postgres SET client_min_messages = 'error'`);
  const wire = await testWire(t, server.url());
  assert.equal(wire.server().isSynchronous, true);
  const outcome = outcomeOf(wire.transaction((tx) => tx.query(put(1))));
  const waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  await waitFor(async () => (await server.ask(`SELECT pg_cancel_backend(pid) ${waits}`)).length > 0);
  const error = await outcome;
  assert.ok(error instanceof CommitInDoubt, String(error));
  assert.match(error.message, /synchronous replication/);
  assert.deepEqual(await server.ask("SELECT n FROM here"), [["1"]]);
});

test("sessions are as the relay needs them, whatever the database has as its default", { skip }, async (t) => {
  const { url, server, name } = await withTable(t);
  for (const wrong of [
    "synchronous_commit = off",
    "statement_timeout = 1000",
    "default_transaction_isolation = 'serializable'",
    "enable_seqscan = on",
  ])
    await server.ask(`ALTER DATABASE ${name} SET ${wrong}`);
  const wire = await testWire(t, url);
  const names = [
    "synchronous_commit",
    "statement_timeout",
    "transaction_isolation",
    "enable_seqscan",
    "jit",
    "idle_in_transaction_session_timeout",
    "application_name",
  ];
  const shown = await wire.query(
    statement(`SELECT ${names.map((each) => `current_setting('${each}') AS ${each}`).join(", ")}`),
  );
  assert.deepEqual(shown.rows, [
    {
      synchronous_commit: "on",
      statement_timeout: "0",
      transaction_isolation: "read committed",
      enable_seqscan: "off",
      jit: "off",
      idle_in_transaction_session_timeout: "5s",
      application_name: "wochit-relay",
    },
  ]);
});
