import assert from "node:assert/strict";
import { test } from "node:test";
import { readFacts } from "../../../src/actions/alarms/facts.ts";
import { judgeAlarms } from "../../../src/actions/alarms/judge.ts";
import { openSeeded, ready } from "../../support/seeded.ts";

const DAY = 86_400_000;

test("facts come from a real database: dead deliveries, a link that died, refused requests, the last event", async (t) => {
  const { store, config, take, deliver } = await openSeeded(t);
  const now = Date.now();
  const outside = { isRunning: true, storeTrouble: null, targetTrouble: null };
  const empty = await readFacts(store, config, { ...outside, now });
  assert.deepEqual([empty.lastEventAt, empty.nextMedium, empty.expired.count, empty.refused], [null, null, 0, []]);
  assert.ok(empty.disk!.free > 0);

  await take(ready("v1"), now);
  assert.equal(await deliver("app", "dead"), 1);
  for (let n = 0; n < 11; n++) {
    const body = Buffer.from(`{"n":${n}}`);
    await store.quarantine({ receivedAt: now - n, sourceAddress: `203.0.113.${n}`, reason: "source", body });
  }
  const facts = await readFacts(store, config, { ...outside, now: now + 1 });
  assert.equal(facts.lastEventAt, now);
  assert.deepEqual(
    facts.refused.map(({ reason, count }) => [reason, count]),
    [["source", 11]],
  );
  assert.deepEqual(
    judgeAlarms(facts).map(({ name, subject }) => [name, subject]),
    [
      ["DeliveriesDead", "app"],
      ["SendersRefused", "source"],
    ],
  );
  const body = Buffer.from(JSON.stringify(ready("v2")));
  const event = { videoId: "v2", type: "video.ready" };
  for (const n of [1, 2]) {
    await store.quarantine({ receivedAt: now - n, sourceAddress: "54.81.68.7", reason: "source", body, event });
  }
  await store.quarantine({ receivedAt: now, sourceAddress: "10.0.0.7", reason: "source", body, event });
  const { unknownSenders } = await readFacts(store, config, { ...outside, now: now + 1 });
  assert.deepEqual(
    unknownSenders.map(({ address, count, isPrivate }) => [address, count, isPrivate]),
    [
      ["54.81.68.7", 2, false],
      ["10.0.0.7", 1, true],
    ],
  );
  const later = await readFacts(store, config, { ...outside, now: now + DAY + 60_000 });
  assert.deepEqual([later.refused, later.unknownSenders], [[], []]);
});

test("media that expired within the day are counted, older ones not", async (t) => {
  const { store, config, take, download } = await openSeeded(t, { mirror: { enabled: true } });
  await take(ready("v1", { videoUrl: "https://media.example.com/v1.mp4" }));
  assert.ok((await download("expired")) > 0);
  const outside = { isRunning: true, storeTrouble: null, targetTrouble: null };
  const now = Date.now();
  assert.ok((await readFacts(store, config, { ...outside, now })).expired.count > 0);
  assert.equal((await readFacts(store, config, { ...outside, now: now + DAY + 60_000 })).expired.count, 0);
});
