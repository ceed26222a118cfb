import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { openRelay } from "../../../src/relay.ts";
import { openStore } from "../../../src/store/open.ts";
import { migrations } from "../../../src/store/sqlite/schema/migrations.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";
import { testPorts } from "../../support/ports.ts";
import { realPorts } from "../../support/real-ports.ts";
import { openReceiver } from "../../support/receiver.ts";
import { endpointTo } from "../../support/relay-in-folder.ts";
import { waitFor } from "../../support/wait.ts";

const FOLDER = join(import.meta.dirname, "../../fixtures/databases");
const RELEASED = readdirSync(FOLDER).filter((name) => name.endsWith(".db.gz"));

type Row = Record<string, unknown>;

/** All rows of all tables, sorted by what they hold. */
function readAll(path: string): Record<string, Row[]> {
  const db = new Database(path, { readonly: true });
  try {
    const names = db
      .prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'titles%'")
      .all();
    return Object.fromEntries(
      names.map(({ name }) => [name, db.prepare<[], Row>(`SELECT * FROM "${name}" ORDER BY 1, 2`).all()]),
    );
  } finally {
    db.close();
  }
}

/** The columns of a row in which schema 4 says the same otherwise: a gate that has opened, an endpoint's last 410. */
function meansNow(table: string, { state }: Row): Row {
  if (table === "endpoints") return { gone: 0 };
  return table === "deliveries" && (state === "pending" || state === "dead") ? { gate_until: null } : {};
}

/** What a version before 0.3 had in place of a table. */
const isOfLinks = ({ name }: Row): boolean => name === "media-secret";

function place(name: string, dataDir: string): string {
  const path = join(dataDir, "relay.db");
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(path, gunzipSync(readFileSync(join(FOLDER, name))));
  return path;
}

function settle(t: TestContext, name: string) {
  const config = configIn(tempFolder(t));
  return { config, path: place(name, config.dataDir) };
}

test("there is a database of every schema that was released before this one", () => {
  assert.deepEqual(
    RELEASED.map((name) => Number(/^schema-(\d+)\.db\.gz$/.exec(name)?.[1])).sort(),
    Array.from({ length: migrations.length - 1 }, (_, at) => at + 1),
  );
});

for (const name of RELEASED) {
  const schema = Number(/\d+/.exec(name)![0]);

  test(`${name}: every row survives the migration, and a verified backup of before is beside it`, async (t) => {
    const { config, path } = settle(t, name);
    const before = readAll(path);
    const ports = testPorts();
    await (await openStore(config, ports, { role: "relay" })).close();

    const after = readAll(path);
    const ofLinks = before.meta!.filter(isOfLinks);
    assert.deepEqual(
      after.link_secrets,
      ofLinks.map(({ value }) => ({ id: 1, secret: value, ends_at: null })),
      "links that were sent stay valid",
    );
    for (const [table, all] of Object.entries(before)) {
      const rows = all.filter((row) => table !== "meta" || !isOfLinks(row));
      assert.ok(rows.length > 0 || table !== "events");
      const kept = after[table]!.map((row) =>
        Object.fromEntries(Object.keys(rows[0] ?? {}).map((column) => [column, row[column]])),
      );
      const added = table === "meta" ? after[table]!.length - rows.length : 0;
      assert.equal(kept.length - added, rows.length, table);
      for (const row of rows.map((one) => ({ ...one, ...meansNow(table, one) }))) {
        assert.ok(
          kept.some((one) => JSON.stringify(one) === JSON.stringify(row)),
          `${table}: ${JSON.stringify(row)}`,
        );
      }
    }
    const db = new Database(path, { readonly: true });
    assert.equal(db.pragma("user_version", { simple: true }), migrations.length);
    assert.equal(db.pragma("integrity_check", { simple: true }), "ok");
    db.close();

    const [backup, ...more] = readdirSync(config.dataDir).filter((one) => one.startsWith("relay-schema-"));
    assert.match(backup!, new RegExp(`^relay-schema-${schema}-\\d{8}T\\d{6}Z\\.db$`));
    assert.deepEqual(more, []);
    assert.deepEqual(readAll(join(config.dataDir, backup!)), before);
    const told = ports.log.facts.find(({ fact }) => fact === "database backed up before its migration");
    assert.equal(told?.fields.schema, schema);
  });

  test(`${name}: the relay runs on with it, and delivers what was not delivered`, async (t) => {
    // What is opened last is closed first: a relay whose folder is gone waits ten seconds for its database.
    const ends: (() => unknown)[] = [];
    t.after(async () => {
      for (const end of ends.reverse()) await end();
    });
    const dir = tempFolder({ after: (end) => ends.push(end as () => void) });
    const app = await openReceiver();
    ends.push(app.close);
    const config = configIn(dir, {
      server: { listen: "127.0.0.1:0" },
      receive: { allowFrom: ["127.0.0.1"] },
      mirror: { enabled: false },
      endpoints: ["app", "down", "refuses", "gone"].map((id) => endpointTo(`${app.url}/${id}`, { id })),
    });
    const path = place(name, config.dataDir);
    const before = readAll(path);
    // At the time when the database was made: a retry that it holds for later is still to come, whatever the date is.
    const made = Math.max(...before.events!.map((row) => Number(row.received_at)));
    const ports = realPorts();
    const real = ports.clock;
    const start = real.now();
    ports.clock = { ...real, now: () => made + (real.now() - start) };
    const relay = await openRelay(config, ports);
    ends.push(relay.close);
    const answer = await fetch(relay.url, {
      method: "POST",
      body: JSON.stringify({ type: "draft.exit", wochitVideoId: "draft-1" }),
    });
    const { id } = (await answer.json()) as { id: string };
    const operator = await openStore(config, ports, { role: "operator" });
    ends.push(operator.close);
    // The context of before, from the mapping.
    assert.match(id, /^evt_[0-9a-v]{17}$/);
    const got = await waitFor(() =>
      app.requests.find(({ headers, path }) => headers["webhook-id"] === id && path === "/app"),
    );
    assert.equal(got.json.videoContext, "page-3");
    assert.equal(got.json.relay.sequence, 2);
    const waiting = (await operator.deliveries({ endpoint: "down", state: "pending", limit: 9 })).filter(
      ({ attempts }) => attempts > 0,
    );
    assert.ok(waiting.length > 0);
    for (const { id } of waiting) await operator.retryDelivery(id, ports.clock.now());
    const events = new Set(waiting.map(({ eventId }) => eventId));
    for (const event of events)
      assert.match(
        event,
        schema < 4 ? /^evt_[0-9a-v]{11}$/ : /^evt_[0-9a-v]{17}$/,
        "the very id that it was given then",
      );
    await waitFor(() => [...events].every((event) => app.requests.some((one) => one.headers["webhook-id"] === event)));
    const isPaused = ({ paused_at }: Record<string, unknown>) => paused_at !== null;
    const paused = (await operator.endpoints()).filter(({ pausedAt }) => pausedAt !== null);
    assert.equal(paused.length, before.endpoints!.filter(isPaused).length);
    assert.equal((await operator.counts()).events, before.events!.length + 1);
  });
}

test("without room for the backup nothing is migrated, and one line says so", { skip: noMounts }, async (t) => {
  const dir = join(tempFolder(t), "small");
  const room = gunzipSync(readFileSync(join(FOLDER, RELEASED[0]!))).length + 64 * 1024;
  const disk = mountSmallDisk(dir, room);
  try {
    const config = configIn(dir);
    const path = place(RELEASED[0]!, config.dataDir);
    const before = readAll(path);
    await assert.rejects(openStore(config, testPorts(), { role: "relay" }), (error: Error) => {
      assert.match(error.message, /^the database is not migrated from schema 1 to \d+: .*there is no room in .*\/data/);
      assert.equal(error.message.split("\n").length, 1);
      return true;
    });
    assert.deepEqual(readAll(path), before);
    assert.deepEqual(
      readdirSync(config.dataDir).filter((name) => /part|schema/.test(name)),
      [],
    );
    disk.grow(64 * 2 ** 20);
    await (await openStore(config, testPorts(), { role: "relay" })).close();
  } finally {
    disk.unmount();
  }
});

test("a second backup of the same schema takes the place of the first", async (t) => {
  const { config, path } = settle(t, RELEASED.at(-1)!);
  const former = join(config.dataDir, `relay-schema-${RELEASED.length}-20260101T000000Z.db`);
  writeFileSync(former, readFileSync(path));
  writeFileSync(join(config.dataDir, "relay-schema-1-20260101T000000Z.db"), "another schema's");
  await (await openStore(config, realPorts(), { role: "relay" })).close();
  const names = readdirSync(config.dataDir).filter((one) => one.startsWith("relay-schema-"));
  assert.equal(names.length, 2);
  assert.ok(!names.includes(basename(former)));
});
