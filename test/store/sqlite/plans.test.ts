import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import Database from "better-sqlite3";
import { databaseOf } from "../../../src/store/backup.ts";
import { withStablePlans } from "../../../src/store/sqlite/rows/sql.ts";
import { openSeeded } from "../../support/seeded.ts";

/** The statement that holds these words, and what SQLite uses for it. */
const EXPECTED: [RegExp, string[]][] = [
  [/FROM quarantine WHERE ring IN .* GROUP BY/, ["SEARCH quarantine USING COVERING INDEX quarantine_source (ring=?)"]],
  [/FROM quarantine WHERE ring = \S+ ORDER BY id/, ["SEARCH quarantine USING INDEX quarantine_ring (ring=?)"]],
  [
    /FROM quarantine WHERE ring = \S+ AND source = /,
    ["SEARCH quarantine USING COVERING INDEX quarantine_source (ring=? AND source=?)"],
  ],
  [/last_error = 'mirroring is off' AND .* ORDER BY id/, ["SCAN media USING INDEX media_off"]],
  [/ORDER BY m\.deadline/, ["SCAN m USING INDEX media_deadline", "SEARCH v USING INTEGER PRIMARY KEY (rowid=?)"]],
];

test("what may be asked while much is stored goes by an index, without its name in the statement", async (t) => {
  const { prototype } = Database as unknown as { prototype: { prepare(text: string): unknown } };
  const texts = new Set<string>();
  const { prepare } = prototype;
  t.mock.method(prototype, "prepare", function (this: unknown, text: string) {
    texts.add(text.replace(/\s+/g, " "));
    return prepare.call(this, text);
  });
  const { store, config } = await openSeeded(t, { mirror: { enabled: true }, receive: { keepRefused: 1_000 } });
  for (let n = 0; n < 5; n++) {
    const body = Buffer.from(`{"n":${n}}`);
    await store.quarantine({ receivedAt: n, sourceAddress: "192.0.2.1", reason: "source", body });
  }
  await store.claimDownloads({ now: 1, limit: 1, leaseFor: 1, busyHosts: [] });
  await store.media({ limit: 1, byDeadline: true });
  const db = new Database(databaseOf(config.dataDir), { readonly: true });
  t.after(() => db.close());
  for (const [words, plan] of EXPECTED) {
    const text = [...texts].find((each) => words.test(each));
    assert.ok(text, String(words));
    const values = text.match(/\?/g)?.map(() => 1) ?? [];
    const rows = db.prepare<number[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all(...values);
    assert.deepEqual(
      rows.map(({ detail }) => detail),
      plan,
    );
  }
});

test("what bounds a search of titles is an integer: FTS5 heeds no other bound, and would read all titles", () => {
  const db = new Database(":memory:");
  db.exec("CREATE VIRTUAL TABLE titles USING fts5(title)");
  db.exec("INSERT INTO titles (rowid, title) VALUES (7, 'river')");
  const { prepare } = withStablePlans(db);
  const bounded = prepare("SELECT t.rowid AS id FROM titles t WHERE t.titles MATCH ? AND t.rowid >= ? AND t.rowid < ?");
  assert.match(bounded.source, /t\.rowid >= CAST\(\+\? AS INTEGER\) AND t\.rowid < CAST\(\+\? AS INTEGER\)$/);
  assert.deepEqual([bounded.all("river", 7, 8), bounded.all("river", 1, 7)], [[{ id: 7 }], []]);
  db.close();
});
