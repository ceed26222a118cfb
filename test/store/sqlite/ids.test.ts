import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { createAccept } from "../../../src/receive/accept.ts";
import { auditedStore } from "../../../src/store/access/audited.ts";
import { createNumbers } from "../../../src/store/core/rows/numbers.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

const YEAR_2500 = Date.UTC(2500, 0, 1);

test("ids grow with time and within it, and are counted up where the clock is behind them or cannot be right", () => {
  const clock = testClock();
  const ids = createNumbers(clock);
  const first = ids.next();
  assert.equal(first, clock.now() * 1024);
  assert.equal(ids.block(3), first + 1);
  assert.equal(ids.next(), first + 4);
  clock.set(clock.now() - 60_000);
  assert.equal(ids.next(), first + 5);
  for (const wrong of [YEAR_2500, Date.UTC(2100, 0, 1), 8.64e15, -1, 0]) {
    clock.set(wrong);
    const last = ids.next();
    assert.equal(ids.next(), last + 1);
    assert.ok(last < first + 100);
  }
});

test("under a clock that says 2500, and after it, every event is taken; also after a restart", async (t) => {
  const { clock, open, take, list } = bench(tempFolder(t));
  let store = await open();
  const right = clock.now();
  const taken = [await take(store, "before")];
  clock.set(YEAR_2500);
  for (let n = 0; n < 9; n++) taken.push(await take(store, `then ${n}`));
  clock.set(right + 1_000);
  taken.push(await take(store, "after"));
  await store.close();
  store = await open();
  t.after(() => store.close());
  taken.push(await take(store, "restarted"));
  assert.deepEqual(await list(store), taken.toReversed());
  assert.equal(new Set(taken).size, taken.length);
  assert.equal((await store.deliveries({ limit: 99 })).length, taken.length);
});

test("commands one after the other, under a clock that went back, each have an entry of their own in the audit", async (t) => {
  const { config, clock, open, take } = bench(tempFolder(t));
  const relay = await open();
  t.after(() => relay.close());
  await take(relay, "before");
  clock.set(clock.now() - 3_600_000);
  for (const by of ["amy", "bob", "cleo"]) {
    const store = await openStore(config, testPorts(clock), { role: "operator" });
    await auditedStore(store, { through: "cli", by }).pauseEndpoint(by, "a reason", clock.now());
    await store.close();
  }
  await auditedStore(relay, { through: "api", by: "admin" }).pauseEndpoint("cms", "a reason", clock.now());
  const entries = await relay.audit({ limit: 9 });
  assert.deepEqual(entries.map(({ by }) => by).toReversed(), ["amy", "bob", "cleo", "admin"]);
});

test("a database that holds ids of 2500 takes events again, and still delivers what it took then", async (t) => {
  const { config, clock, open, take, list } = bench(tempFolder(t));
  let store = await open();
  await take(store, "then");
  await store.close();
  // As version 0.2.0 left it: 1024 ids to the millisecond, of which those beyond 2^53 are no longer exact.
  const db = new Database(join(config.dataDir, "relay.db"));
  const far = YEAR_2500 * 1024;
  db.prepare("UPDATE events SET id = ?").run(far);
  db.prepare("UPDATE deliveries SET id = ?, event = ?").run(far + 2, far);
  db.prepare("UPDATE videos SET last_event = ?").run(far);
  db.close();

  store = await open();
  const taken = [await take(store, "now"), await take(store, "later")];
  await store.close();
  store = await open();
  t.after(() => store.close());
  taken.push(await take(store, "restarted"));
  const [then, ...listed] = await list(store);
  assert.deepEqual(listed, taken.toReversed());
  const wish = { endpoint: "cms", now: clock.now(), limit: 9, leaseFor: 30_000 };
  const claimed = (await store.claimDeliveries(wish)).jobs.map(({ eventId }) => eventId);
  assert.deepEqual(claimed.toSorted(), [...taken, then!].toSorted());
});

function bench(dir: string) {
  const clock = testClock();
  const config = configIn(dir, { endpoints: [endpoint("cms", { send: "immediately" })] });
  return {
    clock,
    config,
    open: () => openStore(config, testPorts(clock), { role: "relay" }),
    async take(store: Store, videoId: string) {
      const body = Buffer.from(JSON.stringify({ type: "draft.exit", wochitVideoId: videoId }));
      return (await createAccept({ store })(body, "192.0.2.1", clock.now())).id;
    },
    list: async (store: Store) => (await store.events({ limit: 99 })).map(({ id }) => id),
  };
}
