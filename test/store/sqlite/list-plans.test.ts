import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { databaseOf } from "../../../src/store/backup.ts";
import { openStore } from "../../../src/store/open.ts";
import { bench } from "../../contracts/store.ts";
import { DELIVERIES, ENDPOINTS, EVENTS, fill, MEDIA, pairs } from "../../contracts/store-lists.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

/** All between two ids are looked at only where they are what is asked for, or nearly all of them. */
const SPAN = /WHERE (\w\.id (<|>=) \+\? AND )+(e\.dialect <> 'notice'|1 = 1|CASE .* = 'settled')( AND |$| ORDER)/;

/** What is sorted without an index is what these give. */
const SORTED: [RegExp, string][] = [
  [/deliveries_running/, "what is under way"],
  [/events_video/, "events of one video, or of the few that a title has"],
  [/SEARCH e USING INTEGER PRIMARY KEY \(rowid=\?\)/, "deliveries of one event"],
];

/** Steps of a plan that are bounded, whatever is stored, beside searches by an index; each with the reason. */
const BOUNDED: [RegExp, string][] = [
  [/^SCAN \w+ USING (COVERING )?INDEX deliveries_running/, "what is under way"],
  [/^SCAN \w+ USING (COVERING )?INDEX (media_due|media_deadline|media_off)/, "downloads that have not ended"],
  [/^SCAN \w+ USING (COVERING )?INDEX quarantine_/, "the quarantine is bounded in bytes"],
  [
    /^SCAN \w+ USING (COVERING )?INDEX (deliveries_dead|deliveries_replaying|media_suspect|events_disguised|annotations_found)/,
    "an index of only what matches, in order",
  ],
  [/^SCAN (CONSTANT ROW|counters|c)$/, "a few rows: of counters, or what a LIMIT inside leaves"],
  [/^SCAN t VIRTUAL TABLE/, "the index of titles"],
  [/^SCAN d: .* FROM titles_due d /, "titles that have changed in the last seconds"],
  [/^SCAN e USING INDEX events_received: /, "the newest, without a condition but that"],
  [/^SCAN (d|m|v): .* WHERE 1 = 1 ORDER BY /, "the newest, without any condition"],
];

test("no list, filter, count or search goes through a table that grows", async (t) => {
  const { prototype } = Database as unknown as { prototype: { prepare(text: string): unknown } };
  const texts = new Set<string>();
  const { prepare } = prototype;
  const config = configIn(tempFolder(t), { endpoints: ENDPOINTS });
  const clock = testClock();
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  const store = await open();
  t.after(() => store.close());
  await fill(bench(store, clock, config, open));
  t.mock.method(prototype, "prepare", function (this: unknown, text: string) {
    texts.add(text.replace(/\s+/g, " ").trim());
    return prepare.call(this, text);
  });
  const [event] = await store.events({ limit: 1 });
  for (const page of [{ limit: 2 }, { limit: 2, since: 1, until: clock.now() }]) {
    for (const filter of pairs([...EVENTS, { q: "title" }])) await store.events({ ...page, ...filter });
    for (const filter of pairs([...DELIVERIES, { eventId: event!.id }])) await store.deliveries({ ...page, ...filter });
    for (const filter of pairs(MEDIA)) await store.media({ ...page, ...filter });
    for (const filter of pairs([{ state: "ready" as const }, { context: "page-1" }, { q: "title" }])) {
      await store.videos({ ...page, ...filter });
    }
    await store.videosOfContext("page-1", page);
    await store.media({ ...page, byDeadline: true });
  }
  for (const filter of [{}, { state: "dead" as const }, { endpoint: "cms" }]) await store.deliveryReasons(filter);
  await store.counts();
  await store.tallies({ kind: "attempts", since: 0 });
  await store.eventTypes();
  t.mock.restoreAll();

  const db = new Database(databaseOf(config.dataDir), { readonly: true });
  t.after(() => db.close());
  assert.ok(texts.size > 100);
  const wrong: string[] = [];
  for (const text of texts) {
    const values = text.match(/\?/g)?.map(() => 1) ?? [];
    const rows = db.prepare<number[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all(...values);
    const plan = rows.map(({ detail }) => detail).join("; ");
    for (const { detail } of rows) {
      const isScan =
        /^SCAN|AUTOMATIC/.test(detail) &&
        !BOUNDED.some(([known]) => known.test(detail) || known.test(`${detail}: ${text}`));
      const isSort = /^USE TEMP B-TREE FOR (ORDER|GROUP)/.test(detail) && !SORTED.some(([known]) => known.test(plan));
      const isSpan = detail === rows[0]!.detail && /^SEARCH \w USING INTEGER PRIMARY KEY \(rowid[<>]/.test(detail);
      if (isScan || isSort || (isSpan && !SPAN.test(text) && !/FROM titles_due/.test(text)))
        wrong.push(`${plan} | ${text}`);
    }
  }
  assert.deepEqual(wrong, []);
});
