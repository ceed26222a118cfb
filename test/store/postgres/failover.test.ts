import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { draft, plain, ready } from "../../contracts/store.ts";
import { noPostgres } from "../../support/postgres.ts";
import { assertNumbered, openReal, type RealStore, said, startPair } from "../../support/postgres-pair.ts";
import { waitFor } from "../../support/wait.ts";

const skip = noPostgres;

/** Posts to relays without a pause, and keeps what was acknowledged. */
function load(t: TestContext, relays: RealStore[], callers = 4) {
  const acknowledged: { id: string; n: number; at: number }[] = [];
  let isOver = false;
  let posted = 0;
  const call = async (relay: RealStore) => {
    while (!isOver) {
      const n = ++posted;
      try {
        const { id } = await relay.post(draft(`v${n % 5}`, { n }));
        acknowledged.push({ id, n, at: performance.now() });
      } catch (error) {
        assert.equal((error as { code?: string }).code, "store_unavailable");
      }
      await sleep(2);
    }
  };
  // Also where the test fails.
  t.after(() => {
    isOver = true;
  });
  const calls = relays.flatMap((relay) => Array.from({ length: callers }, () => call(relay)));
  return {
    acknowledged,
    async end() {
      isOver = true;
      await Promise.all(calls);
    },
  };
}

/** The whole feed, by a reader that begins again in another epoch and leaves out what it knows. */
function follow(t: TestContext, { store }: RealStore) {
  const ids = new Set<string>();
  const twice: string[] = [];
  let isOver = false;
  let epoch: string | null = null;
  let position: string | null = null;
  let known = new Set<string>();
  async function page(): Promise<boolean> {
    const found = await store.feed({ after: position === null ? "oldest" : { position }, limit: 200 });
    if (epoch !== null && found.epoch !== epoch) {
      [epoch, position, known] = [null, null, new Set(ids)];
      return true;
    }
    ({ epoch, position } = found);
    for (const { event } of found.events) {
      if (ids.has(event.id) && !known.has(event.id)) twice.push(event.id);
      ids.add(event.id);
    }
    return found.isMore || found.events.length > 0;
  }
  let isAborted = false;
  t.after(() => {
    isAborted = true;
  });
  const reading = (async () => {
    while (!isAborted) {
      const isLast = isOver;
      // Nothing can be read while no server takes writes.
      const isMore = await page().catch(() => null);
      if (isLast && isMore === false) return;
      if (isMore !== true) await sleep(20);
    }
  })();
  return {
    ids,
    twice,
    async end() {
      isOver = true;
      await reading;
    },
  };
}

async function judge(relay: RealStore, acknowledged: { id: string; n: number }[]): Promise<void> {
  assert.equal(new Set(acknowledged.map(({ id }) => id)).size, acknowledged.length, "no id is given twice");
  for (const { id, n } of acknowledged) {
    const body = JSON.parse(new TextDecoder().decode(await relay.store.eventBody(id)));
    assert.equal(body.n, n, id);
  }
  const stored = (await Promise.all([0, 1, 2, 3, 4].map((v) => bodiesOf(relay, `v${v}`)))).flat();
  assert.equal(new Set(stored).size, stored.length, "each is stored once");
  for (const v of [0, 1, 2, 3, 4]) await assertNumbered(relay, `v${v}`);
}

async function bodiesOf({ store }: RealStore, videoId: string): Promise<number[]> {
  const numbers: number[] = [];
  let before: string | undefined;
  for (;;) {
    const events = await store.events({ videoId, limit: 100, ...(before !== undefined && { before }) });
    for (const { id } of events) numbers.push(JSON.parse(new TextDecoder().decode(await store.eventBody(id))).n);
    if (events.length < 100) return numbers;
    before = events.at(-1)!.id;
  }
}

async function openRelays(t: TestContext, isSynchronous: boolean) {
  const pair = await startPair(t, { isSynchronous });
  const urls = [pair.primary.url(), pair.standby.url()];
  const relays = [await openReal(t, urls, plain()), await openReal(t, urls, plain())];
  return { ...pair, relays, one: relays[0]! };
}

test("a primary with a synchronous standby dies: nothing acknowledged is lost, and events are taken again within 5 s", {
  skip,
}, async (t) => {
  const { primary, standby, relays, one } = await openRelays(t, true);
  const before = await one.post(ready("v9"));
  const [reader, { acknowledged, end }] = [follow(t, one), load(t, relays)];
  await waitFor(() => acknowledged.length > 100);
  await primary.stop("immediate");
  const last = acknowledged.length;
  await standby.promote();
  const promoted = performance.now();
  await waitFor(() => acknowledged.length > last + 100);
  const silence = acknowledged[last]!.at - promoted;
  await end();
  await reader.end();
  t.diagnostic(`${acknowledged.length} acknowledged, taken again ${Math.round(silence)} ms after the promotion`);
  assert.ok(silence < 5_000, String(silence));
  await judge(one, acknowledged);
  for (const relay of relays) assert.deepEqual(said(relay, "error", /lost events/), []);
  assert.equal(relays.flatMap((relay) => said(relay, "warn", /: a new epoch/)).length, 1, "one of them began it");
  assert.equal(said(one, "warn", /waits for no standby any more/).length, 1);
  assert.equal((await one.store.event(before.id)).id, before.id);
  assert.deepEqual(reader.twice, []);
  assert.deepEqual(
    acknowledged.filter(({ id }) => !reader.ids.has(id)),
    [],
  );
});

test("a primary dies whose standby lacks the last two seconds: what was acknowledged is stored again under its ids, and it is said", {
  skip,
}, async (t) => {
  const { primary, standby, relays, one, cutLink } = await openRelays(t, false);
  const [reader, { acknowledged, end }] = [follow(t, one), load(t, relays)];
  await waitFor(() => acknowledged.length > 100);
  await cutLink();
  const there = acknowledged.length;
  await sleep(2_000);
  const lost = acknowledged.length - there;
  assert.ok(lost > 10, String(lost));
  await primary.stop("immediate");
  const last = acknowledged.length;
  await standby.promote();
  await waitFor(() => acknowledged.length > last + 50);
  await end();
  await waitFor(() => relays.every((relay) => said(relay, "error", /stored again/).length > 0));
  // What was acknowledged while the first connection was being lost is looked for, and stored, after the rest.
  for (const { id } of acknowledged) await waitFor(() => one.store.event(id));
  await reader.end();
  t.diagnostic(`${acknowledged.length} acknowledged, at least ${lost} of them lost with the primary`);
  await judge(one, acknowledged);
  assert.deepEqual(reader.twice, []);
  assert.deepEqual(
    acknowledged.filter(({ id }) => !reader.ids.has(id)),
    [],
    "the feed has them",
  );
  const late = await Promise.all(acknowledged.slice(there, last).map(({ id }) => one.store.event(id)));
  assert.ok(late.filter(({ late }) => late).length > 10);
  assert.equal(new Set(await Promise.all(relays.map(({ store }) => store.epoch()))).size, 1);
});

test("an event whose commit did not wait for the standby, because that was canceled, is acknowledged only once the standby has it", {
  skip,
}, async (t) => {
  const { primary, standby, one } = await openRelays(t, true);
  await one.post(draft("v1", { n: 0 }));
  await standby.stop("immediate");
  const got: { id?: string; refused?: string } = {};
  const posting = one.post(draft("v1", { n: 1 })).then(
    ({ id }) => {
      got.id = id;
    },
    (error) => {
      got.refused = error.code;
    },
  );
  const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  let canceled = 0;
  // On a machine that is busy all of it may take longer than a sender waits.
  while (canceled < 3 && got.refused === undefined) {
    canceled += (await primary.ask(`SELECT pg_cancel_backend(pid) ${waiting}`)).length;
    await sleep(50);
    assert.equal(got.id, undefined);
  }
  assert.ok(canceled > 0);
  // It is there, and may be lost still.
  assert.equal((await primary.ask("SELECT 1 FROM events")).length, 2);
  await standby.start();
  await posting;
  const numbers = (await one.store.events({ limit: 9 })).map(({ sequence }) => sequence);
  assert.deepEqual(numbers, [2, 1], "it is stored once");
  if (got.id === undefined) assert.equal(got.refused, "store_unavailable");
  else assert.equal((await one.store.event(got.id)).sequence, 2);
});
