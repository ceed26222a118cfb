import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { openRelay } from "../../src/relay.ts";
import { noPostgres, testDatabase } from "../support/postgres.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, finishInTime, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const skip = noPostgres;

/** A relay's database with some events, closed, whose config names an empty PostgreSQL since. */
async function open(t: TestContext, input: Parameters<typeof openSeeded>[1] = {}) {
  const seeded = await openSeeded(t, input);
  const ids: string[] = [];
  for (const id of ["v1", "v2", "v3"]) ids.push(await seeded.take(ready(id)));
  await seeded.store.close();
  const database = await testDatabase(t);
  const { configPath, config, dir } = seeded;
  const written = { ...JSON.parse(readFileSync(configPath, "utf8")), store: { url: { env: "DATABASE_URL" } } };
  writeFileSync(configPath, JSON.stringify(written));
  const env = { DATABASE_URL: database.url };
  const args = ["--config", configPath];
  return {
    ...{ ids, database, configPath, config, dir, env },
    copy: (more: string[] = []) => callCli(["store", "copy", ...more, ...args], { env }),
    call: (line: string) => callCli([...line.split(" "), ...args], { env }),
    spawn: () => spawnCli(["store", "copy", ...args], { env }),
  };
}

test("store copy says what it has copied, and what follows; commands and a relay go on with the copy", {
  skip,
}, async (t) => {
  const receiver = await openReceiver();
  t.after(receiver.close);
  const { copy, call, ids, config, configPath, dir, env } = await open(t, {
    endpoints: [
      {
        id: "app",
        url: receiver.url,
        secret: "whsec_c29tZSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcw==",
        send: "immediately",
      },
    ],
    server: { listen: "127.0.0.1:0" },
  });
  const { code, stdout, stderr } = await copy();
  assert.deepEqual([code, stderr], [0, ""]);
  const [first, second, ...rest] = stdout.split("\n").filter((line) => !line.includes("%"));
  assert.match(
    first!,
    /^copied \d+ rows in \d+\.\d s: 3 events, 3 videos, 3 deliveries, 0 media; each table was read again, and is the same$/,
  );
  assert.equal(
    second,
    `start the relay with store.url and the same dataDir; never start one on ${join(config.dataDir, "relay.db")} again: move it away`,
  );
  assert.deepEqual(rest, [""]);
  const listed = await call("events list --json");
  assert.deepEqual(
    listed.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).id),
    ids.toReversed(),
  );
  const { stdout: audit } = await call("audit list --json");
  assert.equal(JSON.parse(audit.split("\n")[0]!).verb, "store copy");

  const relay = await openRelay(loadConfig(configPath, { env, cwd: dir }), realPorts());
  t.after(() => relay.close());
  await waitFor(() => receiver.requests.length === 3);
  await relay.close();
  const sent = receiver.requests.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual(sent.toSorted(), ids.toSorted());
});

test("store copy --json has the rows and the sha256 of each table", { skip }, async (t) => {
  const { copy } = await open(t);
  const { code, stdout } = await copy(["--json"]);
  assert.equal(code, 0);
  const copied = JSON.parse(stdout);
  assert.deepEqual(Object.keys(copied), ["tables", "rows", "epoch", "ms"]);
  const events = copied.tables.find(({ table }: { table: string }) => table === "events");
  assert.deepEqual([events.rows, /^[0-9a-f]{64}$/.test(events.sha256)], [3, true]);
});

test("store copy needs store.url, and a relay that is stopped", { skip }, async (t) => {
  const { copy, configPath, config, database } = await open(t);
  const { lockFolder } = await import("../../src/store/sqlite/files/database.ts");
  const unlock = lockFolder(config.dataDir);
  const beside = await copy();
  unlock();
  assert.deepEqual([beside.code, beside.stdout], [1, ""]);
  assert.match(beside.stderr, /^wochit-relay: another wochit-relay is running with dataDir \S+; stop it, .*\n$/);
  const without = JSON.parse(readFileSync(configPath, "utf8"));
  delete without.store;
  writeFileSync(configPath, JSON.stringify(without));
  const none = await copy();
  assert.deepEqual([none.code, none.stderr], [2, "wochit-relay: store.url is not set\n"]);
  assert.deepEqual(
    await database.server.ask(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
      database.name,
    ),
    [],
  );
});

test("store copy that is killed half-way is run again", { skip }, async (t) => {
  const { copy, spawn, database } = await open(t);
  const { server, name } = database;
  // All rows are written when the first index is made, which waits.
  await server.ask(
    `CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); END $$;
     CREATE EVENT TRIGGER wait ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION wait()`,
    name,
  );
  const child = spawn();
  const ended = finishInTime(child);
  const waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
  await waitFor(async () => (await server.ask(waiting, name)).length === 1);
  child.kill("SIGKILL");
  assert.equal((await ended).signal, "SIGKILL");
  await server.ask("DROP EVENT TRIGGER wait", name);
  const again = await copy();
  assert.deepEqual([again.code, again.stderr], [0, ""]);
  assert.deepEqual(await server.ask("SELECT count(*) FROM events", name), [["3"]]);
});
