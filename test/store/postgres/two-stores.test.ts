import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryJob } from "../../../src/model/delivery.ts";
import { openPostgresStore, type Way } from "../../../src/store/postgres/open.ts";
import { LOCK } from "../../../src/store/postgres/schema/locks.ts";
import { CommitInDoubt } from "../../../src/store/postgres/wire/errors.ts";
import type { Wire } from "../../../src/store/postgres/wire/open.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import { type Bench, draft, plain, ready, remove, video } from "../../contracts/store.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { answered } from "../../support/outcomes.ts";
import { testPorts } from "../../support/ports.ts";
import { noPostgres, testDatabase } from "../../support/postgres.ts";
import { wireTo } from "../../support/postgres-store.ts";
import { openStores, passing, pausing } from "../../support/postgres-stores.ts";
import { waitFor } from "../../support/wait.ts";

const skip = noPostgres;

const idsOf = (jobs: { id: string }[]) => jobs.map(({ id }) => id);

test("stores that start at once on an empty database: one makes the schema, and each sees what another wrote", {
  skip,
}, async (t) => {
  const { stores, ask } = await openStores(t, 4);
  const posted = await Promise.all(stores.map(({ post }, at) => post(ready(`v${at}`))));
  for (const { store } of stores) {
    assert.deepEqual(new Set(idsOf(await store.events({ limit: 9 }))), new Set(idsOf(posted)));
  }
  assert.deepEqual(await ask("SELECT count(*) FROM epochs"), [["1"]]);
});

test("equal requests to two stores at one instant make one event, counted on it", { skip }, async (t) => {
  const { stores } = await openStores(t, 2);
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 10; n++) {
    // The first time its video is new, too.
    for (const text of [ready(`v${n}`), remove(`v${n}`)]) {
      const answers = await Promise.all([one.post(text), other.post(text), one.post(text), other.post(text)]);
      const statuses = answers.map(({ status }) => status).sort();
      assert.deepEqual(statuses, ["accepted", "duplicate", "duplicate", "duplicate"]);
      assert.equal(new Set(idsOf(answers)).size, 1);
      assert.equal((await other.store.event(answers[0]!.id)).duplicates, 3);
    }
  }
});

test("the events of a video are numbered without gaps in the order of their ids, whichever store takes them", {
  skip,
}, async (t) => {
  const { stores } = await openStores(t, 2);
  const [one, other] = stores as [Bench, Bench];
  await Promise.all(
    [one, other].map(async ({ post }, at) => {
      for (let n = 0; n < 40; n++) {
        await Promise.all(["v1", "v2", "v3"].map((id) => post(ready(id, { by: at, n }))));
      }
    }),
  );
  for (const videoId of ["v1", "v2", "v3"]) {
    const events = await one.store.events({ videoId, limit: 99 });
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      Array.from({ length: 80 }, (_, at) => 80 - at),
    );
  }
});

test("stores that claim at once give each delivery once, and of a lane its head only", { skip }, async (t) => {
  const { stores, clock } = await openStores(t, 3, { input: plain({ concurrency: 99 }) });
  for (let n = 0; n < 30; n++) await stores[0]!.post(remove(`v${n % 15}`));
  const claimed: DeliveryJob[] = [];
  for (;;) {
    const found = await Promise.all(
      stores.map(({ store }) =>
        store.claimDeliveries({ endpoint: "cms", now: clock.now(), limit: 3, leaseFor: 30_000 }),
      ),
    );
    const jobs = found.flatMap((one) => one.jobs);
    claimed.push(...jobs);
    if (jobs.length === 0) break;
  }
  assert.equal(claimed.length, 15);
  assert.equal(new Set(idsOf(claimed)).size, 15);
  assert.deepEqual(new Set(claimed.map(({ event }) => event.sequence)), new Set([1]));
});

test("a claim waits for no video that another transaction is at, and takes the others", { skip }, async (t) => {
  const { stores, url } = await openStores(t, 1);
  const [{ post, claim, download }] = stores as [Bench];
  for (const id of ["v1", "v2"]) await post(ready(id));
  const wire = await wireTo(url);
  t.after(() => wire.close());
  const lock = { name: "", text: "SELECT 1 FROM videos WHERE video_id = 'v1' FOR UPDATE", values: [] };
  await wire.transaction(async (transaction) => {
    await transaction.query(lock);
    assert.deepEqual([...new Set((await claim()).map(({ videoId }) => videoId))], ["v2"]);
    assert.deepEqual([...new Set((await download()).map(({ videoId }) => videoId))], ["v2"]);
  });
  assert.deepEqual([...new Set((await claim()).map(({ videoId }) => videoId))], ["v1"]);
  assert.deepEqual([...new Set((await download()).map(({ videoId }) => videoId))], ["v1"]);
});

test("an endpoint's concurrency holds for all stores together", { skip }, async (t) => {
  const { stores, clock } = await openStores(t, 2, { input: plain({ concurrency: 4 }) });
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 12; n++) await one.post(remove(`v${n}`));
  const claim = async ({ store }: Bench, limit: number) => {
    for (;;) {
      const wish = { endpoint: "cms", now: clock.now(), limit, leaseFor: 30_000 };
      const { jobs, nextDue } = await store.claimDeliveries(wish);
      // The other one is claiming just now.
      if (jobs.length > 0 || nextDue === null || nextDue <= clock.now()) return jobs;
    }
  };
  const [mine, theirs] = await Promise.all([claim(one, 3), claim(other, 4)]);
  assert.equal(mine.length + theirs.length, 4);
  const [holder, jobs] = mine.length > 0 ? [one, mine] : [other, theirs];
  const rest = holder === one ? other : one;
  // As a worker asks: for its free slots.
  const free = jobs.length;
  assert.deepEqual(await claim(rest, free), []);
  assert.deepEqual((await rest.post(remove("new"), clock.now(), ["cms"])).leased, [], "nor with its event");
  await holder.deliver(jobs[0]!);
  assert.equal((await claim(rest, free)).length, 1);
});

test("an endpoint's rate holds for all stores together, and a claim says when there is room again", {
  skip,
}, async (t) => {
  const { stores, clock } = await openStores(t, 3, { input: plain({ ratePerSecond: 20, concurrency: 99 }) });
  for (let n = 0; n < 40; n++) await stores[0]!.post(remove(`v${n}`));
  const claimAll = async () => {
    const now = clock.now();
    const claims = stores.map(({ store }) =>
      store.claimDeliveries({ endpoint: "cms", now, limit: 9, leaseFor: 30_000 }),
    );
    return Promise.all(claims);
  };
  const begun = clock.now();
  let claimed = 0;
  while (clock.now() < begun + 1_000) {
    const found = await claimAll();
    claimed += found.flatMap(({ jobs }) => jobs).length;
    const next = Math.min(...found.map(({ nextDue }) => nextDue!));
    assert.ok(next > clock.now() && next <= clock.now() + 50, `${next - clock.now()} ms`);
    await clock.advance(next - clock.now());
  }
  // As many as begin within a second, and in the tenth of one after it.
  assert.ok(claimed >= 20 && claimed <= 23, `${claimed}`);
});

test("a store frees what it holds itself, and no other's", { skip }, async (t) => {
  const { stores, clock } = await openStores(t, 2, { input: plain({ concurrency: 99 }) });
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 4; n++) await one.post(ready(`v${n}`));
  const take = async ({ store }: Bench) =>
    (await store.claimDeliveries({ endpoint: "cms", now: clock.now(), limit: 2, leaseFor: 30_000 })).jobs;
  const [mine, theirs] = [await take(one), await take(other)];
  const downloads = await other.download(1);
  assert.equal(await one.store.freeLeases(clock.now()), 2);
  assert.equal((await one.deliver(mine[0]!)).settled, false);
  assert.equal((await other.deliver(theirs[0]!)).settled, true);
  assert.equal(await other.store.renew(downloads[0]!, 30_000), true);
  assert.deepEqual(new Set(idsOf(await take(one))), new Set(idsOf(mine)));
});

test("copies of one video are worked on by one store at a time, each by the one that has the file", {
  skip,
}, async (t) => {
  const { stores } = await openStores(t, 2);
  const [one, other] = stores as [Bench, Bench];
  for (const [id, url] of [
    ["v1", "https://h/a.mp4"],
    ["v1", "https://h/b.mp4"],
    ["v2", "https://h/c.mp4"],
  ] as const)
    await one.post(video(id, url));
  const [first] = await one.download(1);
  await one.spool(first!);
  const others = await other.download();
  assert.equal(others.length, 2);
  for (const job of others) await other.spool(job);
  const [upload] = await one.upload();
  assert.equal(upload!.mediumId, first!.mediumId);
  assert.deepEqual(
    (await other.upload()).map(({ videoId }) => videoId),
    ["v2"],
    "not the other copy of v1",
  );
  const target = await one.store.targetId({
    type: "s3",
    bucket: "b",
    region: null,
    endpoint: null,
    prefix: "",
    pathStyle: false,
  });
  await one.store.settleUpload(upload!, { is: "mirrored", target, key: "v1/video.mp4" }, one.clock.now());
  const [next] = await other.upload();
  assert.deepEqual([next!.videoId, next!.isSecond], ["v1", true]);
});

test("the copies of a video of which one store moves one are left alone by others, and it waits for what they are at", {
  skip,
}, async (t) => {
  const { stores, clock } = await openStores(t, 2);
  const [one, other] = stores as [Bench, Bench];
  await one.post(video("v1", "https://h/a.mp4"));
  const [first] = await one.download();
  await one.settle(first!, "v1/video.mp4");
  await other.post(video("v1", "https://h/b.mp4"));
  await other.spool((await other.download())[0]!);
  const { store } = one;
  const from = await store.targetId({ type: "local", dir: "/media" });
  const to = await store.targetId({ type: "local", dir: "/other" });
  const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
  const task = (await store.claimTask({ id, now: clock.now(), leaseFor: 20_000 })).job!;
  const key = "v1/video.mp4";
  const copy = { mediumId: first!.mediumId, from: { target: from, key, sha256: "ab" } };
  const place = async () => (await store.placeMove(task, { ...copy, to: { target: to, key } }, clock.now())).is;

  assert.equal(await place(), "placed");
  assert.deepEqual(await other.upload(), []);
  await store.settleMove(task, copy, { is: "later" }, clock.now());
  const [upload] = await other.upload();
  assert.ok(upload, "it is not at it any longer");
  assert.equal(await place(), "busy");
  assert.equal(await other.store.renew(upload, 0), true);
  assert.equal(await place(), "placed");
  assert.deepEqual(await other.upload(), []);
  await clock.advance(20_000);
  assert.equal((await other.upload()).length, 1, "the lease of its task is over");
  assert.equal(await place(), "busy");
});

test("a copy is moved beside transactions about other videos", { skip }, async (t) => {
  const { stores, clock, url } = await openStores(t, 1);
  const [{ store, post, download, settle }] = stores as [Bench];
  for (const id of ["v1", "v2"]) await post(video(id, `https://h/${id}.mp4`));
  for (const job of await download()) await settle(job, `${job.videoId}/video.mp4`);
  const from = await store.targetId({ type: "local", dir: "/media" });
  const to = await store.targetId({ type: "local", dir: "/other" });
  const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
  const task = (await store.claimTask({ id, now: clock.now(), leaseFor: 20_000 })).job!;
  const key = "v1/video.mp4";
  const [medium] = (await store.video("v1")).media;
  const copy = { mediumId: medium!.id, from: { target: from, key, sha256: "ab" } };
  const place = { target: to, key };
  const wire = await wireTo(url);
  t.after(() => wire.close());
  await wire.transaction(async (transaction) => {
    await transaction.query({ name: "", text: `SELECT pg_advisory_xact_lock_shared(${LOCK.all}, 0)`, values: [] });
    await transaction.query({ name: "", text: "SELECT hold_videos(ARRAY['v2'])", values: [] });
    assert.equal((await passing(clock, store.placeMove(task, { ...copy, to: place }, clock.now()))).is, "placed");
    const moved = { is: "moved", to: place, deleteAt: null } as const;
    assert.equal((await passing(clock, store.settleMove(task, copy, moved, clock.now()))).is, "moved");
  });
});

test("failures that two stores see at once open an endpoint's breaker as if one had seen them", { skip }, async (t) => {
  const { stores, clock } = await openStores(t, 2, { input: plain({ concurrency: 99, retry: ["1h"] }) });
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 12; n++) await one.post(remove(`v${n}`));
  const jobs = await one.claim();
  assert.equal(jobs.length, 12);
  const settled = await Promise.all(
    jobs.map((job, at) =>
      (at % 2 === 0 ? one : other).store.settleDelivery(job, answered(503, { at: clock.now() }), clock.now()),
    ),
  );
  assert.ok(settled.every((each) => each.settled));
  assert.equal(settled.filter(({ breaker }) => breaker === "opened").length, 1);
  const [state] = await other.store.endpoints();
  // Two videos are enough to know: the first does not count.
  assert.equal(state!.health!.count, 11);
});

test("a reader of the feed misses nothing and gets nothing twice while two stores write", { skip }, async (t) => {
  const { stores } = await openStores(t, 3);
  const [one, other, reader] = stores as [Bench, Bench, Bench];
  let isOver = false;
  const written: string[] = [];
  const write = async ({ post }: Bench, at: number) => {
    for (let n = 0; n < 60; n++) {
      const some = Array.from({ length: 1 + (n % 5) }, (_, each) => post(ready(`v${at}-${n}-${each}`)));
      written.push(...idsOf(await Promise.all(some)));
    }
  };
  const writing = Promise.all([write(one, 1), write(other, 2)]).finally(() => {
    isOver = true;
  });
  const read: string[] = [];
  let position: string | null = null;
  for (let isLast = false; !isLast; ) {
    isLast = isOver;
    const after = position === null ? ("oldest" as const) : { position };
    const page = await reader.store.feed({ after, limit: 1_000 });
    ({ position } = page);
    read.push(...page.events.map(({ event }) => event.id));
  }
  await writing;
  assert.equal(new Set(read).size, read.length);
  assert.deepEqual(read, [...written].sort());
});

test("a reader of the feed that pauses while one store draws its ids and another commits greater ones misses neither", {
  skip,
}, async (t) => {
  const [writer, reader] = [pausing("COMMIT"), pausing(/pg_locks/)];
  const { stores } = await openStores(t, 3, { wire: (real, nth) => [writer, null, reader][nth]?.wire(real) ?? real });
  const [one, other, third] = stores as [Bench, Bench, Bench];
  const { id: known } = await other.post(ready("v0"));
  // It knows which event is the newest, and not yet what is under way.
  const isReading = reader.begin();
  const reading = third.store.feed({ after: "oldest", limit: 9 });
  await isReading;
  const isDrawn = writer.begin();
  const early = one.post(ready("v1"));
  await isDrawn;
  const late = await other.post(ready("v2"));
  reader.goOn();
  const page = await reading;
  assert.deepEqual(
    page.events.map(({ event }) => event.id),
    [known],
  );
  writer.goOn();
  const { id: earlier } = await early;
  const rest = await third.store.feed({ after: { position: page.position }, limit: 9 });
  assert.deepEqual(
    rest.events.map(({ event }) => event.id),
    [earlier, late.id],
  );
});

test("a retry of a notice about no video, which another store is just about to claim, finds it claimed", {
  skip,
}, async (t) => {
  // It has read the notice, and asks for its lock, or writes.
  const [claimer, operator] = [pausing("COMMIT"), pausing(/^UPDATE deliveries|^SELECT CASE WHEN pg_try_advisory/)];
  const reader = endpoint("ops", { events: ["relay.*"], send: "immediately" });
  const input = { endpoints: [endpoint("cms"), reader] };
  const wire = (real: Wire, nth: number) => (nth === 0 ? claimer : operator).wire(real);
  const { stores } = await openStores(t, 2, { input, wire });
  const [one, other] = stores as [Bench, Bench];
  await one.store.pauseEndpoint("cms", "nightly", one.clock.now());
  const [notice] = await one.store.deliveries({ limit: 9 });
  const isClaimed = claimer.begin();
  const claiming = one.claim(30_000, "ops");
  await isClaimed;
  const isAsking = operator.begin();
  const refused = assert.rejects(
    other.store.retryDelivery(notice!.id, other.clock.now()),
    /is being attempted right now/,
  );
  await isAsking;
  claimer.goOn();
  const [job] = await claiming;
  operator.goOn();
  await refused;
  assert.equal((await one.store.delivery(notice!.id)).state, "running");
  assert.equal((await one.deliver(job!)).state, "delivered");
});

/** A wire on which the answer to a COMMIT is lost, once after `begin` is called. */
function losing(isCommitted: boolean) {
  let loses = false;
  const rolledBack = new Error("rolled back");
  const wire = (real: Wire): Way => ({
    ...real,
    async transaction(work, how) {
      if (!loses || how?.readonly) return real.transaction(work, how);
      loses = false;
      const lost = new CommitInDoubt("the connection was lost");
      await real
        .transaction(async (transaction) => {
          const result = await work(transaction);
          if (!isCommitted) throw rolledBack;
          return result;
        })
        .catch((error) => {
          if (error !== rolledBack) throw error;
        });
      throw lost;
    },
  });
  return {
    wire,
    begin() {
      loses = true;
    },
  };
}

for (const isCommitted of [true, false]) {
  const what = isCommitted ? "was committed" : "was not committed";
  test(`an event whose COMMIT was not answered is stored once, where it ${what}`, { skip }, async (t) => {
    const { wire, begin } = losing(isCommitted);
    const { stores, clock } = await openStores(t, 1, { wire });
    const [{ post, store, claim }] = stores as [Bench];
    // A repetition would be told by nothing that this event says.
    const texts = [1, 2].map(() => JSON.stringify({ type: "new.type", wochitVideoId: "v1" }));
    await post(texts[0]!);
    begin();
    const { id, status } = await passing(clock, post(texts[1]!));
    assert.equal(status, "accepted");
    const events = await store.events({ limit: 9 });
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      [2, 1],
    );
    assert.equal(events[0]!.id, id);
    begin();
    const jobs = await passing(clock, claim());
    assert.equal(jobs.length, 1);
    assert.deepEqual(await claim(), []);
  });
}

test("receipts are removed an hour after their transactions, however many there are, and none earlier", {
  skip,
}, async (t) => {
  const { stores, clock, ask } = await openStores(t, 1);
  const old = clock.now() - 3_600_000;
  await ask(
    `INSERT INTO receipts (token, at, is_commit) SELECT 'old' || n, ${old}, 1 FROM generate_series(1, 30000) AS n`,
  );
  await ask(`INSERT INTO receipts (token, at, is_commit) VALUES ('young', ${clock.now()}, 1)`);
  const [{ post }] = stores as [Bench];
  await post(ready("v1"));
  const left = (of: string) => ask(`SELECT token FROM receipts WHERE token LIKE '${of}%'`);
  assert.equal((await left("old")).length, 30_000);
  await clock.advance(600_000);
  await post(ready("v2"));
  await waitFor(async () => (await left("old")).length === 0);
  assert.equal((await left("young")).length, 1);
});

test("a database that is another program's is refused, and its connections are closed", { skip }, async (t) => {
  const { url, server, name } = await testDatabase(t);
  await server.ask("CREATE TABLE accounts (id int)", name);
  const config = configIn(tempFolder(t));
  const wire = await wireTo(url);
  t.after(() => wire.close());
  const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
  await assert.rejects(openPostgresStore(opening, wire, testPorts(), { role: "relay" }), {
    code: "conflict",
    message: /has tables of another program/,
  });
  await assert.rejects(
    wire.transaction(async () => {}),
    /the store is closed/,
  );
});

test("a clock of the database that was set back moves what is due once, whichever relays notice it", {
  skip,
}, async (t) => {
  const HOUR = 3_600_000;
  const { stores, clock, ask } = await openStores(t, 3);
  const [one, other, late] = stores as [Bench, Bench, Bench];
  await one.post(remove("v1"));
  const [job] = await one.claim();
  await one.fail(job!);
  const due = async () => Number((await ask("SELECT due FROM deliveries"))[0]![0]);
  const wait = (await due()) - clock.now();
  await ask(`INSERT INTO nodes VALUES ('a', 'gone', '1', '', 0, 0, ${clock.now()})`);
  clock.set(clock.now() - HOUR);
  // Each measures it a little differently.
  await Promise.all([one.store.bringForward(HOUR, clock.now()), other.store.bringForward(HOUR + 200, clock.now())]);
  assert.ok(Math.abs((await due()) - clock.now() - wait) <= 200);
  await late.store.bringForward(HOUR - 200, clock.now());
  assert.ok(Math.abs((await due()) - clock.now() - wait) <= 200);
  assert.equal(await late.store.seenAt(clock.now()), 0);
  assert.ok((await one.store.relays()).every(({ seenAt }) => seenAt <= clock.now()));
  // Once more, also by one that has just begun.
  clock.set(clock.now() - 2 * HOUR);
  await late.store.bringForward(2 * HOUR, clock.now());
  await one.store.bringForward(2 * HOUR, clock.now());
  assert.ok(Math.abs((await due()) - clock.now() - wait) <= 400);
});

test("a reader of the feed passes over no event that is committed after one with a greater id", { skip }, async (t) => {
  const [writer, reader] = [pausing("COMMIT"), pausing(/pg_locks/, "behind")];
  const { stores } = await openStores(t, 1, { wire: (real) => reader.wire(writer.wire(real)) });
  const { store, post } = stores[0]!;
  const ids = [(await post(draft("first"))).id];
  const isReading = reader.begin();
  const reading = store.feed({ after: "oldest", limit: 99 });
  await isReading;
  const isDrawn = writer.begin();
  const slow = post(draft("slow"));
  await isDrawn;
  // As many as are worth another transaction, which takes what the one under way has left of its ids.
  ids.push(...(await Promise.all(Array.from({ length: 16 }, (_, n) => post(draft(`v${n}`))))).map(({ id }) => id));
  reader.goOn();
  const { events, position } = await reading;
  writer.goOn();
  ids.push((await slow).id);
  const rest = await store.feed({ after: { position }, limit: 99 });
  const read = [...events, ...rest.events].map(({ event }) => event.id);
  assert.deepEqual(read, ids.sort());
});
