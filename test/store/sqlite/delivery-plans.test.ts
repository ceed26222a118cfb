import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { databaseOf } from "../../../src/store/backup.ts";
import { openStore } from "../../../src/store/open.ts";
import { bench, draft, plain, ready, remove } from "../../contracts/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const SEARCH = "SEARCH deliveries USING";

/** Statements that hold these words, each with what SQLite uses for it. */
const EXPECTED: [RegExp, string[]][] = [
  // Lanes.
  [/aside = 0 ORDER BY event, id LIMIT 1/, [`${SEARCH} INDEX deliveries_head (video=? AND endpoint=?)`]],
  [
    /^SELECT id FROM deliveries WHERE video = .* AND state IN/,
    [`${SEARCH} INDEX deliveries_running (video=? AND endpoint=?)`],
  ],
  [
    /AS has_others/,
    [
      "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)",
      "SEARCH p USING PRIMARY KEY (id=?) LEFT-JOIN",
      "SEARCH o USING INDEX deliveries_lane (video=? AND endpoint=?)",
      "SEARCH meta USING PRIMARY KEY (name=?)",
      "SEARCH meta USING PRIMARY KEY (name=?)",
    ],
  ],
  [/SET due = coalesce\(turn_at, .* AND aside = 1/, [`${SEARCH} INDEX deliveries_passed (video=? AND endpoint=?)`]],
  [/^SELECT id, video, due AS at/, [`${SEARCH} INDEX deliveries_due (endpoint=? AND due>?)`]],
  [/^SELECT id, video, turn_at AS at/, [`${SEARCH} INDEX deliveries_turn (endpoint=? AND turn_at>?)`]],
  // Claims and probes.
  [
    /^SELECT \* FROM deliveries WHERE endpoint = \S+ AND due <= \S+ ORDER BY due, id LIMIT/,
    [`${SEARCH} INDEX deliveries_due (endpoint=? AND due<?)`],
  ],
  [/tried_at IS NULL ORDER BY due, id/, [`${SEARCH} INDEX deliveries_due (endpoint=? AND due<?)`]],
  [
    /ORDER BY tried_at, due, id/,
    [`${SEARCH} INDEX deliveries_tried (endpoint=? AND tried_at>?)`, "USE TEMP B-TREE FOR LAST 2 TERMS OF ORDER BY"],
  ],
  [
    /^SELECT 1 FROM deliveries WHERE endpoint = \S+ AND due <= \S+ AND id <>/,
    [`${SEARCH} COVERING INDEX deliveries_due (endpoint=? AND due<?)`],
  ],
  [/^SELECT min\(due\)/, [`${SEARCH} COVERING INDEX deliveries_due (endpoint=? AND due>?)`]],
  [/^SELECT min\(hint\)/, [`${SEARCH} INDEX deliveries_asked (endpoint=?)`]],
  [
    /^SELECT \* FROM deliveries WHERE state IN \('running', 'canceling'\) AND 1 = 1$/,
    ["SCAN deliveries USING INDEX deliveries_running"],
  ],
  [
    /^SELECT count\(\*\) AS count FROM deliveries WHERE state IN .* AND due \+ 0 >/,
    ["SCAN deliveries USING INDEX deliveries_running"],
  ],
  [/^SELECT \* FROM deliveries WHERE state IN .* AND due \+ 0 <=/, ["SCAN deliveries USING INDEX deliveries_running"]],
  // Coalescing and replays.
  [
    /AND type = \S+ AND settled_at IS NULL AND replay = 0/,
    [`${SEARCH} INDEX deliveries_lane (video=? AND endpoint=? AND type=?)`, "USE TEMP B-TREE FOR ORDER BY"],
  ],
  [
    /replay > 0 AND state = 'delivered' ORDER BY id/,
    [`${SEARCH} INDEX deliveries_replayed (endpoint=? AND state=? AND event=?)`],
  ],
  [
    /^SELECT id FROM deliveries WHERE event = .* AND state = 'dead'/,
    [`${SEARCH} COVERING INDEX deliveries_dead (event=? AND endpoint=?)`],
  ],
];

test("each statement about deliveries goes by an index of what it asks for, however much is stored", async (t) => {
  const { prototype } = Database as unknown as { prototype: { prepare(text: string): unknown } };
  const texts = new Set<string>();
  const { prepare } = prototype;
  t.mock.method(prototype, "prepare", function (this: unknown, text: string) {
    texts.add(text.replace(/\s+/g, " ").trim());
    return prepare.call(this, text);
  });
  const clock = testClock();
  const config = configIn(tempFolder(t), {
    endpoints: [...plain({ coalesce: ["draft.update"] }).endpoints!, endpoint("late")],
  });
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  const store = await open();
  t.after(() => store.close());
  await useAll(bench(store, clock, config, open));

  const db = new Database(databaseOf(config.dataDir), { readonly: true });
  t.after(() => db.close());
  const planOf = (text: string) => {
    const values = text.match(/\?/g)?.map(() => 1) ?? [];
    const rows = db.prepare<number[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all(...values);
    return rows.map(({ detail }) => detail).filter((detail) => !/SUBQUERY|^SEARCH events/.test(detail));
  };
  for (const [words, plan] of EXPECTED) {
    const found = [...texts].filter((text) => words.test(text));
    assert.equal(found.length, 1, `${words}: ${found.length}`);
    assert.deepEqual(planOf(found[0]!), plan, String(words));
  }
});

/** Lets the store prepare every statement of EXPECTED. */
async function useAll({ post, claim, deliver, die, fail, store, clock }: ReturnType<typeof bench>): Promise<void> {
  await post(ready("v1"));
  for (const body of [draft("v1"), draft("v1"), remove("v1")]) await post(body, clock.now(), ["cms"]);
  const { id } = await post(remove("v2"), clock.now(), ["cms"]);
  const jobs = await claim();
  await die(jobs.find(({ event }) => event.videoId === "v1")!);
  await store.freeLeases(clock.now());
  await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
  for (let n = 3; n < 20; n++) await post(remove(`v${n}`));
  for (const job of await claim()) await fail(job, 503);
  await clock.advance(5_000);
  const [probe] = await claim();
  await deliver(probe!);
  for (let more = await claim(); more.length > 0; more = await claim()) {
    for (const job of more) await deliver(job);
  }
}
