import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { mapTables } from "../../../src/store/postgres/copy/tables.ts";
import { lockFolder } from "../../../src/store/sqlite/files/database.ts";
import { ready, video } from "../../contracts/store.ts";
import { configIn } from "../../support/config.ts";
import { changeSqlite, copyTo, filledSqlite, openOnCopy, openOnSqlite, shownOf } from "../../support/copying.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock } from "../../support/ports.ts";
import { noPostgres, type TestDatabase, testDatabase } from "../../support/postgres.ts";

const skip = noPostgres;

const TABLES =
  "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')";

const tablesIn = ({ server, name }: TestDatabase) => server.ask(TABLES, name);

test("a copy shows all that the database in SQLite does", { skip }, async (t) => {
  const filled = await filledSqlite(t);
  const sqlite = await openOnSqlite(t, filled);
  const before = await shownOf(sqlite);
  await sqlite.store.close();
  for (const [name, shown] of Object.entries(before)) {
    if (Array.isArray(shown)) assert.notEqual(shown.length, 0, `there is no ${name} to compare`);
  }
  const states = before.deliveries.map(({ state }) => state);
  for (const state of ["waiting", "pending", "running", "delivered", "dead"])
    assert.ok(states.includes(state as never), state);
  const { url } = await testDatabase(t);
  await copyTo(url, filled);
  const copy = await openOnCopy(t, filled, url);
  const after = await shownOf(copy);
  for (const name of Object.keys(before) as (keyof typeof before)[]) assert.deepEqual(after[name], before[name], name);
});

test("a relay on a copy makes each delivery that was not made, once, and numbers go on above the new epoch", {
  skip,
}, async (t) => {
  const filled = await filledSqlite(t);
  const sqlite = await openOnSqlite(t, filled);
  const open = (await sqlite.store.deliveries({ limit: 500, endpoint: "cms" })).filter(
    ({ endpoint, state }) => endpoint === "cms" && ["pending", "waiting", "running"].includes(state),
  );
  const epoch = await sqlite.store.epoch();
  const newest = (await sqlite.store.events({ limit: 1 }))[0]!.id;
  await sqlite.store.close();
  const { url } = await testDatabase(t);
  const copied = await copyTo(url, filled);

  const at = await openOnCopy(t, filled, url);
  const { store, clock } = at;
  assert.notEqual(await store.epoch(), epoch);
  assert.ok((await store.freeLeases(clock.now())) > 0, "what ran is free again");
  // At once, though the epoch has just begun.
  clock.set(copied.epoch + 1_000);
  const made: string[] = [];
  for (let jobs = await at.claim(); jobs.length > 0; jobs = await at.claim()) {
    for (const job of jobs) {
      made.push(job.id);
      await at.deliver(job);
    }
  }
  assert.deepEqual(made.sort(), open.map(({ id }) => id).sort());

  const uploads = await at.upload();
  assert.deepEqual(
    uploads.map(({ videoId }) => videoId),
    ["v2"],
    "what is spooled is in this relay's folder",
  );
  assert.equal((await at.download()).length > 0, true);

  // Ids go on above those of before, whatever the clock says.
  clock.set(clock.now() - 3_600_000);
  const { events } = await store.counts();
  const posted = await at.post(ready("v1", { title: "another" }));
  assert.equal((await store.counts()).events, events + 1);
  assert.equal(posted.status, "accepted");
  assert.ok(posted.id > newest, `${posted.id} > ${newest}`);
  const { sequence } = await store.event(posted.id);
  assert.ok(sequence! > copied.epoch, `${sequence} > ${copied.epoch}`);
  const [entry] = await store.audit({ limit: 1, verb: "store copy" });
  assert.deepEqual([entry?.through, entry?.by, entry?.outcome], ["cli", "uid 0", "done"]);
  assert.deepEqual((await store.video("v1")).videoId, "v1");
  assert.equal((await store.videos({ limit: 5, q: "another" })).length > 0, true);
});

test("a copy of thousands of rows goes in pieces, whatever is in its keys", { skip }, async (t) => {
  const filled = await filledSqlite(t);
  // Rows beyond one statement by their number, by their size, and rows that are longer than a statement is.
  changeSqlite(
    filled,
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
       INSERT INTO attempts (delivery, n, started_at, duration, status, error, response)
       SELECT i / 7, 100 + i % 7, i, 5, 200, 'é ' || i, CAST(i AS BLOB) FROM n;
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
       INSERT INTO duplicates (id, event, received_at, source, body) SELECT i, 1, i, 's', randomblob(i * 60000) FROM n;
     INSERT INTO owed (medium, event, endpoint, ordered) VALUES (1, 1, 'ä', 1), (1, 1, 'z', 1), (1, 1, 'Z', 1), (1, 1, '-', 1);`,
  );
  const { url, server, name } = await testDatabase(t);
  const steps = new Set<string>();
  let last = 0;
  const copied = await copyTo(url, filled, {
    onProgress({ step, done, total }) {
      if (!step.startsWith("copying")) return;
      steps.add(step);
      assert.ok(done >= last && done <= total, `${done} of ${total}`);
      last = done;
    },
  });
  assert.equal(last, copied.rows);
  assert.ok(steps.has("copying attempts"));
  for (const { table, rows } of copied.tables.filter(({ table }) =>
    ["attempts", "duplicates", "owed"].includes(table),
  )) {
    const [[count]] = (await server.ask(`SELECT count(*) FROM ${table}`, name)) as [[string]];
    assert.equal(Number(count), rows, table);
  }
});

test("what PostgreSQL cannot hold is copied as it would have been stored there", { skip }, async (t) => {
  const filled = await filledSqlite(t, async ({ post }) => {
    await post(JSON.stringify({ type: "\u{1f3ac}".repeat(600), wochitVideoId: "v6" }));
    await post(video("v7", "https://media.example/v7.mp4", { title: "a\0b" }));
  });
  const { url } = await testDatabase(t);
  await copyTo(url, filled);
  const { store } = await openOnCopy(t, filled, url);
  const [event] = await store.events({ limit: 1, videoId: "v6" });
  assert.equal(event!.type, "\u{1f3ac}".repeat(500));
  assert.equal((await store.video("v7")).title, "a\ufffdb");
});

test("a copy that is cut off leaves nothing, and the next one begins anew", { skip }, async (t) => {
  const filled = await filledSqlite(t);
  const database = await testDatabase(t);
  for (const at of ["copying media", "copying audit", "making indexes"]) {
    const abort = new AbortController();
    const copying = copyTo(database.url, filled, {
      signal: abort.signal,
      onProgress: ({ step }) => step === at && abort.abort(new Error("stopped by SIGTERM")),
    });
    await assert.rejects(copying, { code: "conflict", message: "stopped by SIGTERM: nothing was copied" }, at);
    assert.deepEqual(await tablesIn(database), []);
  }
  const { server, name } = database;
  await server.ask(
    `CREATE FUNCTION lose() RETURNS event_trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END $$;
     CREATE EVENT TRIGGER lose ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION lose()`,
    name,
  );
  const lost = { code: "store_unavailable", message: /^nothing was copied: PostgreSQL.*57P01/ };
  await assert.rejects(copyTo(database.url, filled), lost);
  await server.ask("DROP EVENT TRIGGER lose", name);
  assert.deepEqual(await tablesIn(database), []);
  await copyTo(database.url, filled);
  await assert.rejects(copyTo(database.url, filled), {
    code: "conflict",
    message: /^the database of store\.url is a whole copy of this one already, of 20\S+Z: start the relay$/,
  });
  const other = await filledSqlite(t);
  await assert.rejects(copyTo(database.url, other), {
    code: "conflict",
    message: "the database of store.url has a store in it: copy into an empty one",
  });
});

test("a database that stores another thing than was written is refused, and nothing is kept", { skip }, async (t) => {
  const filled = await filledSqlite(t);
  // By a trigger on each table as it is made.
  const spoil = (
    body: string,
    table: string,
  ) => `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
    CREATE FUNCTION spoil_table() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT 1 FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.${table}') THEN
        CREATE TRIGGER spoil BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION spoil(); END IF; END $$;
    CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION spoil_table()`;
  const changed = await testDatabase(t);
  await changed.server.ask(spoil("new.body := substr(new.body, 2); RETURN new;", "events"), changed.name);
  await assert.rejects(copyTo(changed.url, filled), {
    code: "conflict",
    message: "PostgreSQL has stored another table events: its rows are not those that were copied; nothing was kept",
  });
  assert.deepEqual(await tablesIn(changed), []);

  const doubled = await testDatabase(t);
  const more =
    "IF pg_trigger_depth() = 1 THEN INSERT INTO meta (name, value) VALUES ('~', '') ON CONFLICT DO NOTHING; END IF; RETURN new;";
  await doubled.server.ask(spoil(more, "meta"), doubled.name);
  await assert.rejects(copyTo(doubled.url, filled), {
    code: "conflict",
    message: /^PostgreSQL has stored another table meta: it has \d+ rows, and \d+ were copied; nothing was kept$/,
  });
  assert.deepEqual(await tablesIn(doubled), []);
});

test("nothing is copied while a relay runs, without a database, and into tables of another program", {
  skip,
}, async (t) => {
  const filled = await filledSqlite(t);
  const database = await testDatabase(t);
  const unlock = lockFolder(filled.config.dataDir);
  await assert.rejects(copyTo(database.url, filled), {
    code: "conflict",
    message: /^another wochit-relay is running with dataDir \S+; stop it/,
  });
  unlock();
  const none = { config: configIn(tempFolder(t)), clock: testClock() };
  mkdirSync(none.config.dataDir, { recursive: true });
  await assert.rejects(copyTo(database.url, none), { code: "not_found" });
  await database.server.ask("CREATE TABLE others (id int)", database.name);
  await assert.rejects(copyTo(database.url, filled), { code: "conflict", message: /has tables of another program/ });
  assert.deepEqual(await tablesIn(database), [["others"]]);
});

test("nothing is copied while copies of media are in a folder, or are to be deleted there", { skip }, async (t) => {
  const database = await testDatabase(t);
  const filled = await filledSqlite(t, async (at) => {
    for (const job of await at.download()) await at.settle(job, `in-folder/${job.videoId}/${job.kind}`);
  });
  const refusal = {
    code: "conflict",
    message:
      /^\d+ copies of media lie in the folder \/media, or .* run "wochit-relay media move --delete-source" first$/,
  };
  await assert.rejects(copyTo(database.url, filled), refusal);
  const folder = `(SELECT id FROM targets WHERE name LIKE 'local%')`;
  changeSqlite(
    filled,
    `UPDATE media SET target = (SELECT min(id) FROM targets WHERE id NOT IN ${folder}) WHERE target IN ${folder}`,
  );
  changeSqlite(
    filled,
    `INSERT INTO former_copies (medium, target, key) SELECT 1, id, 'k' FROM targets WHERE id IN ${folder}`,
  );
  await assert.rejects(copyTo(database.url, filled), refusal);
  changeSqlite(filled, "DELETE FROM former_copies");
  changeSqlite(
    filled,
    `INSERT INTO transfers (id, action, medium, target, key, due) SELECT 5, 'delete', 1, id, 'k', 0 FROM targets WHERE id IN ${folder}`,
  );
  await assert.rejects(copyTo(database.url, filled), refusal);
  changeSqlite(filled, "DELETE FROM transfers WHERE id = 5");
  await copyTo(database.url, filled);
});

test("a table or a column that only one engine has, and that is not named, is refused", { skip }, async (t) => {
  for (const [change, what] of [
    ["CREATE TABLE extra (id INTEGER)", "the table extra of SQLite"],
    ["ALTER TABLE videos ADD COLUMN extra TEXT", "the column videos.extra of SQLite"],
  ] as const) {
    const filled = await filledSqlite(t);
    changeSqlite(filled, change);
    const database = await testDatabase(t);
    const message = `this version does not know what becomes of ${what}: nothing was copied`;
    await assert.rejects(copyTo(database.url, filled), { code: "unsupported", message });
    assert.deepEqual(await tablesIn(database), []);
  }
  const column = (table: string, name: string) => ({ table, name, type: "bigint", isKey: name === "id" });
  assert.throws(
    () => mapTables(new Map([["videos", ["id"]]]), [column("videos", "id"), column("videos", "more")], "n"),
    {
      message: /the column videos\.more of PostgreSQL/,
    },
  );
  assert.throws(() => mapTables(new Map(), [column("more", "id")], "n"), {
    message: /the column more\.id of PostgreSQL/,
  });
});
