import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { expiryAt } from "../../../src/model/retention.ts";
import { openStore } from "../../../src/store/open.ts";
import { pruneInPieces } from "../../../src/store/retention.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { answered } from "../../support/outcomes.ts";
import { testLog, testPorts } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

/** Stands in everything that is said of the video that will be erased, and nowhere else. */
const MARK = "of-Ada-Lovelace";

const EVENTS = 300;
const DAY = 86_400_000;

/** Pauses are over at once. `tick`: milliseconds that pass whenever it is asked how many have. */
function quickClock(tick = 0) {
  let now = Date.UTC(2026, 0, 1);
  let elapsed = 0;
  return {
    now: () => now,
    elapsed: () => (elapsed += tick),
    after(_: number, run: () => void) {
      const timer = setImmediate(run);
      return () => clearImmediate(timer);
    },
    set(value: number) {
      now = value;
    },
  };
}

/** A database in which a third of all is said of one video, with what changes rows, splits pages and repeats events. */
async function openMixed(t: Pick<TestContext, "after">, padding: number) {
  const config = configIn(tempFolder(t), { endpoints: [endpoint("app")], mirror: { enabled: true } });
  const clock = quickClock();
  const store = await openStore(config, { ...testPorts(), clock }, { role: "relay" });
  t.after(() => store.close());
  const path = join(config.dataDir, "relay.db");
  for (let n = 0; n < EVENTS; n++) {
    clock.set(clock.now() + 60_000);
    const isAdas = n % 3 === 0;
    const word = isAdas ? MARK : "of-others";
    const type = ["draft.new", "draft.update", "draft.update", "video.ready"][Math.floor(n / 3) % 4];
    const said = {
      ...{ type, wochitVideoId: isAdas ? "ada" : `v${n % 20}`, videoContext: `page ${word} ${n % 5}` },
      ...{ title: `title ${word} ${n}`, pad: `${word} `.repeat(padding / 15) },
      ...(type === "video.ready" && { videoUrl: `https://cdn.example.com/${word}-${n}.mp4` }),
    };
    const body = Buffer.from(JSON.stringify(said));
    for (const _ of type === "video.ready" ? [1, 2, 3] : [1]) {
      await store.accept({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", body });
    }
    const wish = { endpoint: "app", now: clock.now(), limit: 9, leaseFor: 30_000 };
    for (const job of (await store.claimDeliveries(wish)).jobs) {
      const attempt = { response: Buffer.from(`answer ${word}`), error: `it failed ${word}` };
      const how = { at: clock.now(), ...(job.videoId === "ada" && { attempt }) };
      await store.settleDelivery(job, answered(n % 7 === 0 ? 500 : 200, how), clock.now());
    }
    if (n % 20 === 0) await store.indexTitles();
    if (n % 30 !== 0) continue;
    const refused = { receivedAt: clock.now(), sourceAddress: "192.0.2.9", reason: "source", body } as const;
    await store.quarantine(refused);
    await store.importContexts(
      [{ videoId: "ada", context: `imported ${MARK} ${n}` }],
      { override: false },
      clock.now(),
    );
  }
  const bytes = () => [path, `${path}-wal`].filter(existsSync).map((file) => readFileSync(file));
  return { config, store, clock, path, marks: () => bytes().reduce((sum, each) => sum + timesIn(each), 0) };
}

function timesIn(bytes: Buffer): number {
  let times = 0;
  for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) times++;
  return times;
}

for (const [padding, size] of [
  [300, "small bodies"],
  [1_500, "bodies of half a page"],
  [9_000, "bodies larger than a page"],
] as const) {
  test(`of an erased video no byte is left in the files: ${size}`, async (t) => {
    const { store, clock, marks } = await openMixed(t, padding);
    assert.ok(marks() > EVENTS);
    await store.forgetVideo("ada", clock.now());
    assert.equal(marks(), 0);
  });

  test(`nor where some of it was pruned before: ${size}`, async (t) => {
    const { store, clock, marks, config } = await openMixed(t, padding);
    clock.set(clock.now() + 91 * DAY);
    const wish = { expiry: expiryAt(clock.now(), config.retention), by: "test" };
    const { pruned } = await pruneInPieces(store, wish, { clock, signal: new AbortController().signal });
    assert.ok(pruned.bodies.rows > 50, JSON.stringify(pruned));
    const { bytes, free } = await store.space();
    await store.giveBack(free / 2);
    assert.ok((await store.space()).bytes < bytes, "pages were moved");
    await store.forgetVideo("ada", clock.now());
    assert.equal(marks(), 0);
  });
}

/** The database beside which another process reads, and a command that erases meanwhile. */
async function eraseBesideReader(t: Pick<TestContext, "after">, tick?: number) {
  const mixed = await openMixed(t, 600);
  const log = testLog();
  const command = await openStore(mixed.config, { ...testPorts(), clock: quickClock(tick), log }, { role: "operator" });
  t.after(() => command.close());
  const reader = new Database(mixed.path);
  t.after(() => reader.close());
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM events").get();
  return { ...mixed, log, reader, erased: command.forgetVideo("ada", mixed.clock.now()) };
}

test("a command that erases beside the relay waits for who reads, and then the log is empty, too", async (t) => {
  const { erased, store, marks, reader, path, log } = await eraseBesideReader(t);
  await waitFor(async () => (await store.video("ada")).forgottenAt !== null);
  assert.ok(marks() > 0, "the reader's pages are there");
  reader.exec("COMMIT");
  await erased;
  assert.deepEqual([marks(), statSync(`${path}-wal`).size, log.facts], [0, 0, []]);
});

test("where somebody reads for long the log says that it is not empty", async (t) => {
  const { erased, log } = await eraseBesideReader(t, 1_000);
  await erased;
  assert.match(log.facts.map(({ fact }) => fact).join(), /^what was erased is still in the write-ahead log/);
});
