import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePlace } from "../../../../src/config/store/place.ts";
import { isTrouble } from "../../../../src/store/postgres/wire/errors.ts";
import { createPool } from "../../../../src/store/postgres/wire/pool.ts";
import type { Primary } from "../../../../src/store/postgres/wire/primary.ts";
import { testClock, testPorts } from "../../../support/ports.ts";
import { noPostgres, startPostgres, testDatabase } from "../../../support/postgres.ts";
import { waitFor } from "../../../support/wait.ts";
import { outcomeOf, statement, testWire, together } from "../../../support/wire.ts";

const skip = noPostgres;
const put = (n: number) => statement("INSERT INTO here VALUES ($1)", n);

test("connections that were ended while they were idle are replaced, and no caller hears of it", {
  skip,
}, async (t) => {
  const { url, server, name } = await testDatabase(t);
  const wire = await testWire(t, url);
  await Promise.all([1, 2, 3].map(() => wire.transaction((tx) => tx.query(statement("SELECT pg_sleep(0.05)")))));
  const ours = `FROM pg_stat_activity WHERE application_name = 'wochit-relay' AND datname = '${name}'`;
  await server.ask(`SELECT pg_terminate_backend(pid) ${ours}`);
  await waitFor(async () => (await server.ask(`SELECT pid ${ours}`)).length === 0);
  // The end of a connection is heard in a turn of its own.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await outcomeOf(wire.transaction((tx) => tx.query(statement("SELECT 1")))), "committed");
});

test("at most ten connections are open, however many transactions wait, and each has its turn", { skip }, async (t) => {
  const wire = await testWire(t, (await testDatabase(t)).url);
  const count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
  const counts = await Promise.all(
    Array.from({ length: 40 }, () =>
      wire.transaction(async (tx) => (await tx.query(statement(count))).rows[0]!.count as number),
    ),
  );
  assert.equal(wire.most, 9);
  assert.ok(Math.max(...counts) <= 10 && Math.max(...counts) >= 2, String(counts));
});

test("what takes long leaves connections to the rest", { skip }, async (t) => {
  const { url, server, name } = await testDatabase(t);
  const [wire, other] = [await testWire(t, url), await testWire(t, url)];
  let long: Promise<unknown>[] = [];
  await other.transaction(async (holding) => {
    await holding.query(statement("SELECT pg_advisory_xact_lock(1)"));
    const wait = () =>
      wire.transaction((tx) => tx.query(statement("SELECT pg_advisory_xact_lock_shared(1)")), { isLong: true });
    long = Array.from({ length: 12 }, wait);
    const waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'";
    await waitFor(async () => (await server.ask(waiting, name)).length === 4);
    assert.equal(await outcomeOf(wire.transaction((tx) => tx.query(statement("SELECT 1")))), "committed");
    assert.equal((await server.ask(waiting, name)).length, 4);
  });
  await Promise.all(long);
});

test("a connection that is not admitted is not used, and those that wait hear why at once", { skip }, async (t) => {
  const { url } = await testDatabase(t);
  const seen: string[] = [];
  const wire = await testWire(t, url);
  wire.guard(async ({ server: { system }, ask, transaction }) => {
    const { rows } = await ask(statement("SELECT system_identifier::text AS system FROM pg_control_system()"));
    seen.push(system);
    assert.equal(rows[0]!.system, system);
    await transaction((tx) => tx.query(statement("CREATE TABLE IF NOT EXISTS here (n int8)")));
    if (seen.length === 1) throw Object.assign(new Error("not ours"), { code: "conflict" });
  });
  await assert.rejects(wire.query(statement("SELECT FROM here")), /not ours/);
  await wire.query(statement("SELECT FROM here"));
});

test("while no server takes writes the primary is waited for once, however many transactions fail", async () => {
  const clock = testClock();
  let asked = 0;
  const find = () => {
    asked++;
    return new Promise<never>(() => {});
  };
  const primary = { find, isKnown: () => false, why: () => "none takes writes" } as unknown as Primary;
  const pool = createPool({
    ...{ ...testPorts(clock), primary, place: parsePlace("postgres://a@127.0.0.1:1/d"), tls: false },
    ...{ sessions: new Set<string>(), measured() {}, admit: async () => {}, lost() {} },
  });
  for (let nth = 0; nth < 20; nth++) {
    const failed = assert.rejects(pool.query(statement("SELECT 1")), /none takes writes/);
    await clock.advance(5_000);
    await failed;
  }
  assert.equal(asked, 1);
  await pool.close();
});

test("a server that became read-only is left, and its connections with it", { skip }, async (t) => {
  const server = await startPostgres(t);
  await server.ask("CREATE TABLE here (n int8)");
  const wire = await testWire(t, server.url());
  const pids = () => server.ask("SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT'");
  const outcome = (n: number) => outcomeOf(wire.transaction((tx) => tx.query(put(n))));
  assert.equal(await outcome(1), "committed");
  const [[pid]] = (await pids()) as [[string]];
  await server.ask("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()");
  const refused = await waitFor(async () => [await outcome(2)].find((said) => said !== "committed"));
  assert.ok(isTrouble(refused), String(refused));
  await server.ask("ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()");
  await waitFor(async () => (await outcome(3)) === "committed");
  assert.ok(!(await pids()).flat().includes(pid));
});

test("a role without any rights but its own tables' gets in with its password, which no error repeats", {
  skip,
}, async (t) => {
  const server = await startPostgres(t, { access: ["host all relay 127.0.0.1/32 scram-sha-256"] });
  await server.ask("CREATE ROLE relay LOGIN PASSWORD 'pa%:55word'; CREATE DATABASE relay OWNER relay");
  const url = (password: string) => server.url("relay").replace("postgres@", `relay:${password}@`);
  const wire = await testWire(t, url("pa%25%3A55word"));
  await wire.transaction(async (tx) => {
    void tx.query(statement("CREATE TABLE here (n int8)"));
    void tx.query(put(1));
  });
  await assert.rejects(testWire(t, url("wr0ng")), (error: Error) => {
    assert.match(error.message, /password authentication failed for user "relay"/);
    assert.ok(!/wr0ng/.test(`${error.message}${error.stack}`));
    return true;
  });
});

test("what a pair of hosts is written as", () => {
  assert.equal(together(["postgres://a@h:1/d", "postgres://a@i:2/d"]), "postgres://a@h:1,i:2/d");
});
