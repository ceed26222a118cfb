import assert from "node:assert/strict";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { parsePlace } from "../../../../src/config/store/place.ts";
import { isTrouble } from "../../../../src/store/postgres/wire/errors.ts";
import { watchPrimary } from "../../../../src/store/postgres/wire/primary.ts";
import { listen } from "../../../support/listen.ts";
import { testClock, testPorts } from "../../../support/ports.ts";
import { noPostgres, type PostgresServer, startPostgres, startStandby } from "../../../support/postgres.ts";
import { waitFor } from "../../../support/wait.ts";
import { outcomeOf, statement, testWire, together } from "../../../support/wire.ts";

const skip = noPostgres;

/** A server, and a standby that follows it; `isSynchronous`: each commit waits for the standby. */
async function startPair(t: TestContext, { isSynchronous = false } = {}): Promise<[PostgresServer, PostgresServer]> {
  const standbys = isSynchronous ? "standby" : "";
  const primary = await startPostgres(t, { syncs: true, settings: { synchronous_standby_names: standbys } });
  const standby = await startStandby(t, primary, { syncs: true });
  await primary.ask("CREATE TABLE here (n int8)");
  await waitFor(async () => (await standby.ask("SELECT to_regclass('here')")).flat()[0] === "here");
  return [primary, standby];
}

const put = (n: number) => statement("INSERT INTO here VALUES ($1)", n);

test("of two hosts the one that takes writes is used, wherever it stands; without one there is a line about each", {
  skip,
}, async (t) => {
  const [primary, standby] = await startPair(t);
  for (const urls of [
    [primary.url(), standby.url()],
    [standby.url(), primary.url()],
  ]) {
    const wire = await testWire(t, urls);
    assert.equal(wire.server().port, primary.port);
    assert.equal(wire.server().timeline, 1);
    await wire.transaction((tx) => tx.query(put(1)));
  }
  await primary.ask("ALTER DATABASE postgres SET default_transaction_read_only = on");
  await assert.rejects(testWire(t, [primary.url(), standby.url(), "postgres://postgres@127.0.0.1:1/postgres"]), {
    code: "store_unavailable",
    message: new RegExp(
      `^no PostgreSQL of store.url takes writes: 127.0.0.1:${primary.port} is read-only; 127.0.0.1:${standby.port} is a standby; 127.0.0.1:1 .*ECONNREFUSED`,
    ),
  });
});

test("when the primary dies the promoted standby is found, without an operator, and nothing committed is lost", {
  skip,
}, async (t) => {
  const [primary, standby] = await startPair(t, { isSynchronous: true });
  const wire = await testWire(t, [primary.url(), standby.url()]);
  await wire.transaction((tx) => tx.query(put(1)));
  await primary.stop("immediate");
  // It waits for the standby, or fails.
  const early = outcomeOf(wire.transaction((tx) => tx.query(put(2))));
  await standby.promote();
  await waitFor(async () => (await outcomeOf(wire.transaction((tx) => tx.query(put(3))))) === "committed");
  assert.equal(wire.server().port, standby.port);
  assert.equal(wire.server().timeline, 2);
  const expected = (await early) === "committed" ? [["1"], ["2"], ["3"]] : [["1"], ["3"]];
  assert.deepEqual(await standby.ask("SELECT n FROM here ORDER BY n"), expected);
});

test("an old primary that still takes writes is left after a pause of the process, before anything else, and for good", {
  skip,
}, async (t) => {
  const [old, standby] = await startPair(t);
  const clock = testClock();
  const ports = testPorts(clock);
  const wire = await testWire(t, [old.url(), standby.url()], { ports });
  await wire.transaction((tx) => tx.query(put(1)));
  await waitFor(async () => (await standby.ask("SELECT n FROM here")).length === 1);

  const isBegun = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const underWay = wire.transaction(async (tx) => {
    await tx.query(put(2));
    isBegun.resolve();
    await mayGoOn.promise;
    await tx.query(put(3));
  });
  const outcome = outcomeOf(underWay);
  await isBegun.promise;
  await standby.promote();
  // More time has elapsed than between two beats of a process that runs.
  clock.set(clock.now() + 1_600);
  await wire.transaction((tx) => tx.query(put(4)));
  mayGoOn.resolve();
  assert.ok(isTrouble(await outcome), String(await outcome));
  assert.deepEqual(await old.ask("SELECT n FROM here"), [["1"]]);
  assert.deepEqual(await standby.ask("SELECT n FROM here ORDER BY n"), [["1"], ["4"]]);
  assert.equal(wire.server().timeline, 2);
  assert.ok(ports.log.facts.some(({ level, fact }) => level === "error" && /^an old primary/.test(fact)));
  // It misleads no relay that starts.
  assert.equal((await testWire(t, [old.url(), standby.url()])).server().port, standby.port);

  await standby.stop("immediate");
  await waitFor(async () => {
    let said: unknown = null;
    void outcomeOf(wire.transaction((tx) => tx.query(put(5)))).then((outcome) => {
      said = outcome;
    });
    await waitFor(async () => {
      await clock.advance(100);
      return said;
    });
    assert.ok(isTrouble(said), String(said));
    return String(said).includes(`127.0.0.1:${old.port} is an old primary`);
  });
  assert.deepEqual(await old.ask("SELECT n FROM here"), [["1"]]);
});

test("only the server that takes writes says what time it is: no standby does, and no old primary", {
  skip,
}, async (t) => {
  const [old, standby] = await startPair(t);
  // By the clock of the second it is the day before. A function that is found before the server's own says so.
  await old.ask(`CREATE SCHEMA late;
    CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$
      SELECT pg_catalog.clock_timestamp() - CASE inet_server_port() WHEN ${old.port} THEN interval '0' ELSE interval '1 day' END
    $$;
    ALTER DATABASE postgres SET search_path = late, pg_catalog`);
  await waitFor(async () => /late/.test((await standby.ask("SHOW search_path")).flat().join()));
  // No time passes: the server is found once both have answered.
  const { clock, log } = testPorts();
  const daysAgo: number[] = [];
  const primary = watchPrimary({
    ...{ place: parsePlace(together([old.url(), standby.url()])), tls: false, clock, log, changed() {} },
    sessions: new Set(),
    measured: (_asked, _answered, now) => void daysAgo.push(Math.round((Date.now() - now) / 86_400_000)),
  });
  t.after(primary.close);
  const ports: number[] = [];
  const find = async () => ports.push((await primary.find()).port);
  await find();
  primary.question();
  await find();
  assert.deepEqual(daysAgo.splice(0), [0, 0]);
  await standby.promote();
  primary.question();
  await find();
  assert.deepEqual(daysAgo, [1]);
  assert.deepEqual(ports, [old.port, old.port, standby.port]);
});

test("a host that does not answer holds up an opening for half a second", { skip }, async (t) => {
  const server = await startPostgres(t);
  const { port } = await listen(t, createServer());
  const clock = testClock();
  const urls = [`postgres://postgres@127.0.0.1:${port}/postgres`, server.url()];
  const start = clock.elapsed();
  const opening = testWire(t, urls, { ports: testPorts(clock) });
  let isOpen = false;
  void opening.then(() => {
    isOpen = true;
  });
  // Half a second from the other one's answer: sooner than the 2 s after which the silent one counts as gone.
  await waitFor(
    async () =>
      (await server.ask("SELECT 1 FROM pg_stat_activity WHERE application_name = 'wochit-relay' AND state = 'idle'"))
        .length > 0,
  );
  await waitFor(async () => {
    await clock.advance(100);
    return isOpen;
  });
  assert.ok(clock.elapsed() - start < 2_000);
  assert.equal((await opening).server().port, server.port);
});
