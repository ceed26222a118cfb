import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { Config } from "../../../src/config/schema.ts";
import { copyDatabase, restoreDatabase } from "../../../src/store/copy-database.ts";
import { createNames } from "../../../src/store/core/rows/ids.ts";
import { LIMIT } from "../../../src/store/core/rows/numbers.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Accepted, StoreRole } from "../../../src/store/store.ts";
import { bench, ready } from "../../contracts/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { type TestClock, testClock, testPorts } from "../../support/ports.ts";

const RELEASED = join(import.meta.dirname, "../../fixtures/databases");

/** When the newest event of schema 3's was received. */
const NEWEST = 1_795_952_654_220;

const TAGGED = /^[a-z]{3}_[0-9a-v]{17}$/;
const UNTAGGED = /^[a-z]{3}_[0-9a-v]{11}$/;

/** A config with a folder of its own, which has no database yet. */
function newConfig(t: TestContext): Config {
  return configIn(tempFolder(t), { endpoints: [endpoint("cms", { send: "immediately", order: "none" })] });
}

/** The store of a config, until the test ends. */
async function open(t: TestContext, config: Config, clock: TestClock, role: StoreRole = "relay") {
  const store = await openStore(config, testPorts(clock), { role });
  t.after(() => store.close());
  return bench(store, clock, config, () => openStore(config, testPorts(clock), { role }));
}

/** Another folder, in which a backup of the database of `from` is restored. */
async function restored(t: TestContext, from: Config, clock: TestClock): Promise<Config> {
  const config = newConfig(t);
  const file = join(tempFolder(t), "backup.db");
  await copyDatabase(join(from.dataDir, "relay.db"), file, { clock });
  await restoreDatabase(file, config.dataDir, { clock });
  return config;
}

/** A folder with the released database of a schema. */
function release(t: TestContext, schema: number): Config {
  const config = newConfig(t);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(join(config.dataDir, "relay.db"), gunzipSync(readFileSync(join(RELEASED, `schema-${schema}.db.gz`))));
  return config;
}

/** Without its tag. */
function numberOf(id: string): string {
  return id.slice(0, 15);
}

type Bench = Awaited<ReturnType<typeof open>>;

/** Every id that lists show, the newest first. */
async function listed({ store }: Bench): Promise<string[][]> {
  const lists = [
    store.events({ limit: 99 }),
    store.deliveries({ limit: 99 }),
    store.media({ limit: 99 }),
    store.quarantined({ limit: 99 }),
    store.targets(),
  ];
  return (await Promise.all<{ id: string }[]>(lists)).map((rows) => rows.map(({ id }) => id));
}

const answerOf = ({ id, status }: Accepted) => ({ id, status });

test("a name is a number and the tag of its epoch; only that is read", () => {
  const names = createNames([
    { first: 200, tag: 2 ** 30 - 1 },
    { first: 100, tag: 5 },
  ]);
  assert.deepEqual(
    [1, 99, 100, 199, 200, 2 ** 50, LIMIT + 1].map((id) => names.show("evt", id)),
    [
      "evt_00000000001",
      "evt_00000000033",
      "evt_00000000034000005",
      "evt_00000000067000005",
      "evt_00000000068vvvvvv",
      "evt_10000000000vvvvvv",
      "evt_7vv00000000",
    ],
  );
  for (const id of [1, 99, 100, 199, 200, 2 ** 50, LIMIT + 1])
    assert.equal(names.read("dlv", names.show("dlv", id)), id);
  const wrong = [
    "evt_00000000068",
    "evt_00000000068000005",
    "evt_00000000034vvvvvv",
    "evt_00000000001000005",
    "evt_00000000068vvvvv",
    "evt_00000000068vvvvvvv",
    "evt_00000000068VVVVVV",
    "dlv_00000000068vvvvvv",
    "evt_00000000068vvvvvv\n",
    "evt_00000000000",
    "",
  ];
  for (const text of wrong) {
    assert.throws(() => names.read("evt", text), { code: "not_found" }, text);
    assert.equal(names.find("evt", text), 0, text);
  }
  assert.equal(names.claimed(names.claim(7)), 7);
  for (const token of ["7", "7_000005", "", "_vvvvvv"]) assert.equal(names.claimed(token), 0, token);
});

test("the two sides of a restore give no id and no claim in common, and agree on what was before", async (t) => {
  const clock = testClock();
  const config = newConfig(t);
  const lost = await open(t, config, clock);
  await lost.store.targetId({ type: "local", dir: "/media" });
  const before = await lost.post(ready("v1"));
  const shared = await listed(lost);
  const other = await open(t, await restored(t, config, clock), clock);
  assert.deepEqual(await listed(other), shared);

  const [job] = await lost.claim();
  const [again] = await other.claim();
  assert.deepEqual([again!.id, again!.messageId, again!.eventId], [job!.id, before.id, before.id]);
  assert.equal(job!.messageId, before.id);
  assert.notEqual(again!.claim, job!.claim);
  assert.equal((await other.deliver(job!)).settled, false);
  assert.equal((await other.deliver(again!)).settled, true);

  const [one, two] = [await lost.post(ready("v2")), await other.post(ready("v2"))];
  assert.equal(numberOf(one.id), numberOf(two.id), "taken in at the same millisecond");
  assert.notEqual(one.id, two.id);
  assert.deepEqual(answerOf(await other.post(ready("v1"))), { id: before.id, status: "duplicate" });
  assert.deepEqual(answerOf(await other.post(ready("v2"))), { id: two.id, status: "duplicate" });
  await assert.rejects(other.store.event(one.id), { code: "not_found" });
  await assert.rejects(lost.store.event(two.id), { code: "not_found" });

  const [ours, theirs] = [(await listed(other)).flat(), (await listed(lost)).flat()];
  const common = ours.filter((id) => theirs.includes(id));
  assert.deepEqual(
    common,
    shared.flat().filter((id) => ours.includes(id)),
  );
  assert.ok(ours.every((id) => TAGGED.test(id)));

  const token = ({ id, claim }: { id: string; claim: string }) => `${id} ${claim}`;
  const [tokens, others] = [(await lost.claim()).map(token), (await other.claim()).map(token)];
  assert.ok(tokens.length > 0);
  assert.deepEqual(
    tokens.filter((one) => others.includes(one)),
    [],
  );
});

test("one backup that is restored twice has two tags, and one from before a restore keeps its own", async (t) => {
  const clock = testClock();
  const config = newConfig(t);
  const first = await open(t, config, clock);
  const ids = [(await first.post(ready("v1"))).id];
  const sides = [await restored(t, config, clock), await restored(t, config, clock)];
  const [one, two] = await Promise.all(sides.map(async (side) => (await open(t, side, clock)).post(ready("v2"))));
  assert.equal(numberOf(one!.id), numberOf(two!.id));
  assert.notEqual(one!.id, two!.id);
  ids.push(one!.id);
  // Nothing is made in the second life before the third begins.
  clock.set(clock.now() - 60_000);
  const again = await restored(t, await restored(t, sides[0]!, clock), clock);
  const last = await open(t, again, clock);
  ids.push((await last.post(ready("v3"))).id);
  assert.deepEqual(
    (await last.store.events({ limit: 9 })).map(({ id }) => id),
    ids.toReversed(),
  );
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids.map((id) => id.slice(15))).size, 3);
  for (const id of ids) assert.equal((await last.store.event(id)).id, id);
  assert.deepEqual(
    (await last.store.events({ limit: 9, before: ids[1]! })).map(({ id }) => id),
    [ids[0]],
  );
});

test("after a restore under a clock that is behind no id is one that was given before the backup, rows gone or not", async (t) => {
  const clock = testClock();
  const config = newConfig(t);
  const at = await open(t, config, clock);
  const refuse = async ({ store }: Bench) => {
    const [body, sourceAddress] = [Buffer.from("not JSON"), "192.0.2.1"];
    return (await store.quarantine({ receivedAt: clock.now(), sourceAddress, reason: "invalid_json", body })).id;
  };
  await at.post(ready("v1"));
  const gone = await refuse(at);
  await at.store.dropQuarantined(gone);
  clock.set(clock.now() - 60_000);
  const other = await open(t, await restored(t, config, clock), clock);
  const next = await refuse(other);
  assert.ok(numberOf(next) > numberOf(gone));
  await assert.rejects(other.store.quarantinedBody(gone), { code: "not_found" });
});

test("what the relay and an operator's commands make in one millisecond has one tag, and no id twice", async (t) => {
  const clock = testClock();
  const config = newConfig(t);
  const relay = await open(t, config, clock);
  const operator = await open(t, config, clock, "operator");
  const { id } = await relay.post(ready("v1"));
  const made = [];
  for (let nth = 0; nth < 20; nth++) {
    const at = nth % 3 === 0 ? operator : relay;
    made.push((await at.store.replay(id, { endpoint: "cms", ordered: false, newId: true }, clock.now())).id);
  }
  assert.deepEqual(made.toSorted(), made);
  assert.equal(new Set(made).size, made.length);
  assert.deepEqual(new Set(made.map((one) => one.slice(15))), new Set([id.slice(15)]));
});

test("ids of 0.2.0 stay as they were given, over a migration and a restore; new ones end with a tag", async (t) => {
  const clock = testClock(NEWEST + 1_000);
  const config = release(t, 3);
  const migrated = await open(t, config, clock);
  const old = await listed(migrated);
  assert.ok(old.flat().every((id) => UNTAGGED.test(id)));
  assert.ok(old.every((ids) => ids.length > 0));
  const other = await open(t, await restored(t, config, clock), clock);
  assert.deepEqual(await listed(other), old);

  for (const at of [migrated, other]) {
    const { store } = at;
    const repeatable = (await store.events({ types: ["draft.new"], limit: 1 }))[0]!;
    const same = Buffer.from(await store.eventBody(repeatable.id)).toString();
    assert.deepEqual(answerOf(await at.post(same)), { id: repeatable.id, status: "duplicate" });
    const { id } = await at.post(ready("new"));
    assert.match(id, TAGGED);
    assert.ok(id > old[0]![0]!);

    const claim = () =>
      store
        .claimDeliveries({ endpoint: "refuses", now: clock.now(), limit: 9, leaseFor: 1e15 })
        .then(({ jobs }) => jobs);
    const dead = (await store.deliveries({ eventId: repeatable.id, state: "dead", limit: 1 }))[0]!;
    await store.retryDelivery(dead.id, clock.now());
    const [retried] = await claim();
    assert.deepEqual([retried!.id, retried!.messageId, retried!.event.id], [dead.id, repeatable.id, repeatable.id]);
    const to = { endpoint: "refuses", ordered: false };
    const replay = await store.replay(repeatable.id, { ...to, newId: false }, clock.now());
    const renamed = await store.replay(repeatable.id, { ...to, newId: true }, clock.now());
    const claimed = await claim();
    assert.deepEqual(claimed.map((job) => [job.id, job.messageId, job.eventId]).toSorted(), [
      [replay.id, repeatable.id, repeatable.id],
      [renamed.id, renamed.id.replace("dlv_", "msg_"), repeatable.id],
    ]);
    assert.match(renamed.id, TAGGED);
    await assert.rejects(store.event(`${repeatable.id}${id.slice(15)}`), { code: "not_found" });
    await assert.rejects(store.event(numberOf(id)), { code: "not_found" });
  }
  const [newest, theirs] = [await migrated.store.events({ limit: 1 }), await other.store.events({ limit: 1 })];
  assert.equal(numberOf(newest[0]!.id), numberOf(theirs[0]!.id));
  assert.notEqual(newest[0]!.id, theirs[0]!.id);
});

test("two databases that were migrated from the same backup give no id in common", async (t) => {
  for (const schema of [1, 2, 3]) {
    const clock = testClock(NEWEST + 1_000);
    const [config, copy] = [release(t, schema), release(t, schema)];
    const restoredCopy = newConfig(t);
    await restoreDatabase(join(copy.dataDir, "relay.db"), restoredCopy.dataDir, { clock });
    const made = [];
    for (const each of [config, copy, restoredCopy]) made.push(await (await open(t, each, clock)).post(ready("new")));
    assert.equal(new Set(made.map(({ id }) => numberOf(id))).size, 1);
    assert.equal(new Set(made.map(({ id }) => id)).size, 3);
  }
});
