import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { openStore } from "../../../src/store/open.ts";
import { APPLICATION_ID, migrations } from "../../../src/store/sqlite/schema/migrations.ts";
import { bench, plain } from "../../contracts/store.ts";
import { freshConfigIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const HOUR = 3_600_000;

type Fill = {
  now: number;
  /** One event of video `v` with one delivery to "cms"; the event's id is `10 * sequence`, the delivery's one more. */
  event(sequence: number, delivery: object, type?: string): void;
  /** A replay of it, with this id. */
  replay(id: number, sequence: number, delivery: object): void;
  /** An attempt of the event's own delivery. */
  attempt(sequence: number, n: number, status: number | null, startedAt: number): void;
};

/** A store over a database of schema 4, on which `fill` has worked. */
async function openOld(t: TestContext, fill: (old: Fill) => void, more: Record<string, unknown> = {}) {
  const clock = testClock();
  const config = freshConfigIn(tempFolder(t), plain(more));
  mkdirSync(config.dataDir, { mode: 0o700 });
  const db = new Database(join(config.dataDir, "relay.db"));
  for (const step of migrations.slice(0, 4)) db.exec(step);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma("user_version = 4");
  db.exec(`INSERT INTO videos (id, video_id, state, first_seen, last_event_at, sequence, ordered_at)
    VALUES (1, 'v', 'draft', 1, 1, 9, 1)`);
  const insert = (table: string, row: object) =>
    db
      .prepare(`INSERT INTO ${table} (${Object.keys(row).join()}) VALUES (${Object.keys(row).map(() => "?")})`)
      .run(...Object.values(row));
  const now = clock.now();
  const place = { endpoint: "cms", video: 1, ordered: 1, state: "pending", due: now };
  fill({
    now,
    event(sequence, delivery, type = "draft.update") {
      const id = 10 * sequence;
      const said = { dialect: "typed", failure: 0, source: "192.0.2.1", body: Buffer.from("{}") };
      insert("events", { id, received_at: now, video: 1, sequence, deliveries: 1, type, ...said });
      insert("deliveries", { id: id + 1, event: id, ...place, ...delivery });
    },
    replay: (id, sequence, delivery) =>
      insert("deliveries", { id, event: 10 * sequence, replay: 1, ...place, ...delivery }),
    attempt: (sequence, n, status, startedAt) =>
      insert("attempts", { delivery: 10 * sequence + 1, n, started_at: startedAt, duration: 1, status, error: "no" }),
  });
  db.close();
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  const store = await open();
  t.after(() => store.close());
  return bench(store, clock, config, open);
}

test("one that failed under schema 4 goes on by its schedule: with the waits that it has been through", async (t) => {
  const schedule = { retry: ["1h", "1h", "1h", "1h"], laneHold: "2h" };
  const at = await openOld(
    t,
    ({ now, event, attempt }) => {
      event(1, { attempts: 3, claims: 3, due: now + HOUR });
      for (const n of [1, 2, 3]) attempt(1, n, 503, now - (3 - n) * HOUR);
      event(2, { due: null });
    },
    schedule,
  );
  const { claim, fail, store, clock, seqs } = at;
  const [, first] = await store.deliveries({ limit: 9 });
  assert.deepEqual([first?.attempts, first?.attemptsLeft, first?.nextAttemptAt], [3, 2, clock.now() + HOUR]);
  assert.deepEqual(await claim(), []);
  await clock.advance(HOUR);
  const [job] = await claim();
  assert.equal(job?.id, first?.id);
  await fail(job!);
  assert.deepEqual(seqs(await claim()), ["v#2"], "more than laneHold: it steps aside");
  const { attempts, attemptsLeft, nextAttemptAt } = await store.delivery(job!.id);
  assert.deepEqual([attempts, attemptsLeft, nextAttemptAt], [4, 1, clock.now() + HOUR]);
});

for (const [status, isEvent] of [
  [404, true],
  [503, false],
  [null, false],
] as const) {
  test(`what was answered with ${status} under schema 4 failed ${isEvent ? "by itself" : "because of the endpoint"}`, async (t) => {
    const { post, store, clock } = await openOld(
      t,
      ({ now, event, attempt }) => {
        event(1, { attempts: 2, claims: 2, due: now + HOUR });
        attempt(1, 1, isEvent ? 503 : 404, now - 2);
        attempt(1, 2, status, now - 1);
      },
      { coalesce: ["draft.update"] },
    );
    await post(JSON.stringify({ type: "draft.update", wochitVideoId: "v" }));
    const [newer, older] = await store.deliveries({ limit: 9 });
    assert.equal(older?.supersededBy, newer?.id, "its type is known");
    assert.equal(newer?.nextAttemptAt, clock.now() + (isEvent ? 0 : HOUR));
  });
}

test("of those that have not ended the type is filled in; others are shown with their event's", async (t) => {
  const { store, config } = await openOld(t, ({ now, event }) => {
    event(1, { state: "delivered", due: null, settled_at: now, attempts: 1 }, "video.delete");
    event(2, {}, "draft.new");
  });
  const types = (await store.deliveries({ limit: 9 })).map(({ type }) => type);
  assert.deepEqual(types, ["draft.new", "video.delete"]);
  const db = new Database(join(config.dataDir, "relay.db"), { readonly: true });
  t.after(() => db.close());
  assert.deepEqual(db.prepare("SELECT type FROM deliveries ORDER BY id").pluck().all(), [null, "draft.new"]);
});

test("a replay that waited under schema 4 stands at its event's place, and what was due is sent all the same", async (t) => {
  const { claim, deliver, seqs } = await openOld(t, ({ now, event, replay }) => {
    event(1, { state: "delivered", due: null, settled_at: now, attempts: 1 });
    event(2, {});
    event(3, { due: null });
    replay(100, 1, { due: null });
  });
  const sent: string[] = [];
  for (let n = 0; n < 3; n++) {
    const [job, ...none] = await claim();
    assert.deepEqual(none, [], "one at a time");
    sent.push(...seqs([job!]));
    await deliver(job!);
  }
  assert.deepEqual(sent, ["v#1", "v#2", "v#3"]);
});
