import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { openStore } from "../../../src/store/open.ts";
import { APPLICATION_ID, migrations } from "../../../src/store/sqlite/schema/migrations.ts";
import { bench, plain, remove } from "../../contracts/store.ts";
import { freshConfigIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const HOUR = 3_600_000;

/** A store over a database of version 0.2.0 with video `v` (row 1), on which `fill` has worked. */
async function openOld(t: TestContext, fill: (db: Database.Database, now: number) => void) {
  const clock = testClock();
  const config = freshConfigIn(tempFolder(t), plain());
  mkdirSync(config.dataDir, { mode: 0o700 });
  const db = new Database(join(config.dataDir, "relay.db"));
  for (const step of migrations.slice(0, 3)) db.exec(step);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma("user_version = 3");
  db.exec(
    "INSERT INTO videos (id, video_id, state, first_seen, last_event_at, sequence) VALUES (1, 'v', 'draft', 1, 1, 3)",
  );
  fill(db, clock.now());
  db.close();
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  const store = await open();
  t.after(() => store.close());
  return bench(store, clock, config, open);
}

/** One event with one delivery to "cms"; the event's id is `10 * sequence`, the delivery's one more. */
function addEvent(db: Database.Database, now: number, sequence: number, delivery: object, event: object = {}): void {
  const insert = (table: string, row: object) =>
    db
      .prepare(`INSERT INTO ${table} (${Object.keys(row).join()}) VALUES (${Object.keys(row).map(() => "?")})`)
      .run(...Object.values(row));
  const id = 10 * sequence;
  const said = { type: "draft.update", dialect: "typed", failure: 0, source: "192.0.2.1", body: Buffer.from("{}") };
  insert("events", { id, received_at: now, video: 1, sequence, deliveries: 1, ...said, ...event });
  const rest = { endpoint: "cms", video: 1, event: id, ordered: 1, state: "pending", due: now };
  insert("deliveries", { id: id + 1, ...rest, ...delivery });
}

test("a 410 that an endpoint answered under 0.2.0 counts for no pause: its video is not known", async (t) => {
  const { post, claim, fail } = await openOld(t, (db) => db.exec("INSERT INTO endpoints (id, gone) VALUES ('cms', 1)"));
  await post(remove("w"));
  const [job] = await claim();
  assert.equal((await fail(job!, 410)).paused, false);
});

test("a lane of which one had stepped aside under 0.2.0 lets the next that fails step aside at once", async (t) => {
  const { claim, fail, seqs } = await openOld(t, (db, now) => {
    addEvent(db, now, 1, { aside: 1, attempts: 9, claims: 9, due: now + HOUR });
    addEvent(db, now, 2, {});
    addEvent(db, now, 3, { due: null });
  });
  const [second, ...none] = await claim();
  assert.deepEqual([second?.event.sequence, none], [2, []]);
  await fail(second!);
  assert.deepEqual(seqs(await claim()), ["v#3"]);
});

for (const state of ["pending", "running", "dead"]) {
  test(`a gate that had opened under 0.2.0 stays open when one that is ${state} is retried`, async (t) => {
    const { claim, store, clock, seqs } = await openOld(t, (db, now) => {
      db.exec(`INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, due)
        VALUES (5, 1, 'video', 10, 1, 'https://h/v.mp4', 'h', ${now + HOUR}, 0, 'pending', ${now})`);
      const ended = state === "dead" ? { settled_at: now, due: null } : { due: now + HOUR / 2 };
      const tried = { attempts: state === "running" ? 0 : 1, claims: 1 };
      addEvent(db, now, 1, { state, gate_until: now + HOUR, ...tried, ...ended }, { video_medium: 5 });
    });
    await store.freeLeases(clock.now());
    const { id } = (await store.deliveries({ limit: 1 }))[0]!;
    await store.retryDelivery(id, clock.now());
    assert.deepEqual(seqs(await claim()), ["v#1"]);
  });
}
