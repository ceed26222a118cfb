import assert from "node:assert/strict";
import { test } from "node:test";
import { noPostgres, startPostgres, startStandby, testDatabase } from "../../support/postgres.ts";

test("each test has a database of its own", { skip: noPostgres }, async (t) => {
  const [one, two] = [await testDatabase(t), await testDatabase(t)];
  await one.server.ask("CREATE TABLE here (n int)", one.name);
  await assert.rejects(two.server.ask("SELECT FROM here", two.name), /does not exist/);
  const copy = await testDatabase(t, { template: one.name });
  assert.deepEqual(await copy.server.ask("SELECT FROM here", copy.name), []);
});

test("a standby takes writes once it is promoted, and has what was committed", { skip: noPostgres }, async (t) => {
  const primary = await startPostgres(t, { syncs: true, settings: { synchronous_standby_names: "standby" } });
  const standby = await startStandby(t, primary);
  await primary.ask("CREATE TABLE here (n int); INSERT INTO here VALUES (1)");
  await assert.rejects(standby.ask("INSERT INTO here VALUES (2)"), /25006/);
  await primary.stop("immediate");
  await standby.promote();
  assert.deepEqual(await standby.ask("INSERT INTO here VALUES (2); SELECT n FROM here ORDER BY n"), [["1"], ["2"]]);
});
