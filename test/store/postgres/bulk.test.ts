import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskWish } from "../../../src/model/task.ts";
import type { Way } from "../../../src/store/postgres/open.ts";
import type { Wire } from "../../../src/store/postgres/wire/open.ts";
import { type Bench, plain, ready, remove } from "../../contracts/store.ts";
import { openOfMany } from "../../contracts/store-breaker.ts";
import { answered } from "../../support/outcomes.ts";
import { noPostgres } from "../../support/postgres.ts";
import { openStores, pausing } from "../../support/postgres-stores.ts";
import { claimTask, LEASE, makeTask, workTask } from "../../support/tasks.ts";

// Work on many rows is done beside what other stores do, and in round trips that do not grow with the rows: it ends however far
// away the database is.

const DAY = 86_400_000;
const skip = noPostgres;
/** What would wait for something that does not end within the test. */
const limited = { skip, timeout: 120_000 };

const input = plain({ concurrency: 99, retry: ["1h"] });
const mappings = (count: number) =>
  Array.from({ length: count }, (_, nth) => ({ videoId: `m${nth}`, context: `page-${nth % 7}` }));
const namesOf = (count: number) => Array.from({ length: count }, (_, nth) => `v${nth}`);

const wish: TaskWish = { verb: "retry", filter: { endpoint: "cms" } };

/** Events of so many videos, whose deliveries are dead. */
async function seed({ post, claim, store, clock }: Bench, videos: number, each = 1): Promise<string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < each; nth++) {
    const bodies = namesOf(videos).map((wochitVideoId) => ({ type: "draft.exit", wochitVideoId, nth }));
    const accepted = await Promise.all(bodies.map((body) => post(JSON.stringify(body))));
    ids.push(...accepted.map(({ id }) => id));
  }
  for (let jobs = await claim(); jobs.length > 0; jobs = await claim()) {
    const dies = answered(500, { at: clock.now(), isLast: true });
    await Promise.all(jobs.map((job) => store.settleDelivery(job, dies, clock.now())));
  }
  return ids;
}

async function prune({ store, clock }: Bench, limit = 256) {
  const expiry = { bodies: clock.now() - 90 * DAY, attempts: clock.now() - 30 * DAY };
  const piece = await store.prune({ ...expiry, limit, by: "test", leaseFor: LEASE }, clock.now());
  assert.ok(piece);
  return piece;
}

/** A wire that counts the round trips of its transactions. */
function counting() {
  let rounds = 0;
  const wire = (real: Wire): Way => ({
    ...real,
    transaction: (work, how) =>
      real.transaction((transaction) => {
        const cork = () => {
          rounds++;
          transaction.cork();
        };
        return work({ ...transaction, cork });
      }, how),
  });
  async function roundsIn(work: () => Promise<unknown>): Promise<number> {
    const before = rounds;
    await work();
    return rounds - before;
  }
  return { wire, roundsIn };
}

test("a list of many deliveries takes as many round trips as one of a few", limited, async (t) => {
  const { wire, roundsIn } = counting();
  const { stores } = await openStores(t, 1, { input, wire });
  const [{ store, post }] = stores as [Bench];
  await Promise.all(namesOf(60).flatMap((name) => [post(remove(name)), post(ready(name))]));
  const roundsOf = (limit: number) =>
    roundsIn(async () => assert.equal((await store.deliveries({ limit })).length, limit));
  assert.equal(await roundsOf(100), await roundsOf(4));
});

test("an import of many mappings takes as many round trips as one of a few", limited, async (t) => {
  const { wire, roundsIn } = counting();
  const { stores, clock } = await openStores(t, 1, { wire });
  const [{ store }] = stores as [Bench];
  const roundsOf = (count: number, override: boolean) =>
    roundsIn(() => store.importContexts(mappings(count), { override }, clock.now()));
  const few = await roundsOf(5, false);
  assert.ok(few < 12, `${few}`);
  assert.equal(await roundsOf(100, false), few);
  assert.equal(await roundsOf(100, true), await roundsOf(5, true));
  assert.equal((await store.videosOfContext("page-0", { limit: 99 })).length, 15);
});

/** What is prepared, and then done in one transaction, or in several. */
const BULK: Record<string, (at: Bench, events: string[]) => Promise<() => Promise<unknown>>> = {
  "an import":
    async ({ store, clock }) =>
    () =>
      store.importContexts(mappings(9), { override: false }, clock.now()),
  "a piece of a task": async ({ store, clock }) => {
    const id = await makeTask(store, wish, clock.now());
    const job = await claimTask(store, id, clock.now());
    const piece = await store.taskPiece(id);
    assert.equal(piece.items.length, 4);
    return () => store.workTask(job, piece, LEASE, clock.now());
  },
  pruning: async (at) => {
    at.clock.set(at.clock.now() + 100 * DAY);
    return () => prune(at);
  },
  "an erasure":
    async ({ store, clock }) =>
    () =>
      store.forgetVideo("v1", clock.now()),
  "a retry":
    async ({ store, clock }) =>
    async () => {
      const [dead] = await store.deliveries({ limit: 1, state: "dead" });
      await store.retryDelivery(dead!.id, clock.now());
    },
  "a replay":
    async ({ store, clock }, [id]) =>
    () =>
      store.replay(id!, { endpoint: "cms", ordered: true, newId: false }, clock.now()),
  "the work on the archive":
    async ({ store, clock }) =>
    () =>
      store.holdArchive({ by: "test", leaseFor: LEASE }, clock.now()),
};

for (const [what, prepare] of Object.entries(BULK)) {
  test(`${what} holds up no other store that is about another video`, limited, async (t) => {
    const { wire, begin, goOn } = pausing("COMMIT");
    const { stores, ask } = await openStores(t, 2, { input, wire: (real, nth) => (nth === 0 ? wire(real) : real) });
    const [one, other] = stores as [Bench, Bench];
    const run = await prepare(one, await seed(one, 4));
    const isStill = begin();
    const still = run();
    await isStill;
    assert.equal((await other.post(remove("another"))).status, "accepted");
    // The server ends it after some seconds: then nothing would have been shown.
    const standing = await ask(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
    );
    assert.equal(standing.length, 1, "it stands still yet");
    const [job] = await other.claim();
    await other.deliver(job!);
    goOn();
    await still;
  });
}

test("two workers of one task do a piece of it once", limited, async (t) => {
  const { wire, begin, goOn } = pausing("COMMIT");
  const { stores, clock } = await openStores(t, 2, { input, wire: (real, nth) => (nth === 0 ? wire(real) : real) });
  const [one, other] = stores as [Bench, Bench];
  await seed(one, 4);
  const id = await makeTask(one.store, wish, clock.now());
  const late = await claimTask(one.store, id, clock.now());
  clock.set(clock.now() + LEASE + 1);
  const piece = await one.store.taskPiece(id);
  const isStill = begin();
  const still = one.store.workTask(late, piece, LEASE, clock.now());
  await isStill;
  // Its lease is over; what it is at is not committed yet.
  const claiming = other.store.claimTask({ id, now: clock.now(), leaseFor: LEASE });
  goOn();
  const [{ isOurs }, { job }] = await Promise.all([still, claiming]);
  assert.equal(isOurs, true);
  if (job !== null) assert.equal((await other.store.workTask(job, piece, LEASE, clock.now())).isOurs, false);
  assert.equal((await one.store.task(id)).done, 4);
});

/** As far away as a database in another country is; done row by row, each of these would take longer than any try may. */
const delay = 40;

test("far from its database, a store imports mappings, and works a task", limited, async (t) => {
  const { stores, clock } = await openStores(t, 2, { input, delay });
  const [far, near] = stores as [Bench, Bench];
  const { imported } = await far.store.importContexts(mappings(300), { override: false }, clock.now());
  assert.equal(imported, 300);
  await seed(near, 60);
  const id = await makeTask(near.store, wish, clock.now());
  const { task } = await workTask(far.store, id, clock.now);
  assert.deepEqual([task.state, task.done, task.failed], ["done", 60, 0]);
});

test("far from its database, a store prunes, archives, and erases", limited, async (t) => {
  const { stores, clock } = await openStores(t, 2, { input, delay });
  const [far, near] = stores as [Bench, Bench];
  const events = await seed(near, 60);
  const { store } = far;
  clock.set(clock.now() + 100 * DAY);
  const expiry = { bodies: clock.now() - 90 * DAY, attempts: clock.now() - 30 * DAY, archives: true };
  for (let isMore = true; isMore; ) {
    const pruned = await store.prune({ ...expiry, limit: 256, by: "test", leaseFor: LEASE }, clock.now());
    assert.equal(pruned?.bodies.rows, 0);
    ({ isMore } = pruned!);
  }
  const archivist = { by: "test", leaseFor: LEASE };
  const place = { type: "folder", path: "/archive" } as never;
  const part = await store.beginPart({ from: null, place, folder: null, tag: "t", ...archivist }, clock.now());
  const piece = await store.archivePiece({ day: part!.day, after: null }, 2 ** 20);
  assert.equal(piece.events.length, events.length);
  const written = piece.events.map(({ event: { id }, revision }) => ({ id, revision }));
  await store.markArchived(part!.id, written, archivist, clock.now());
  const file = { sha256: "ab".repeat(32), bytes: 1, text: 1, events: events.length };
  await store.keepPart(part!.id, file, archivist, clock.now());
  await store.releaseArchived(events, clock.now());
  const pruned: number[] = [];
  for (let isMore = true; isMore; ) {
    const some = await store.prune({ ...expiry, limit: 256, by: "test", leaseFor: LEASE }, clock.now());
    pruned.push(some!.bodies.rows);
    ({ isMore } = some!);
  }
  assert.equal(
    pruned.reduce((sum, rows) => sum + rows, 0),
    events.length,
  );
  const bodies = events.map((id) => ({ id, body: Buffer.from("{}") }));
  const counts = await store.restoreBodies(part!.id, bodies, { keepFor: DAY, bodies: 90 * DAY }, clock.now());
  assert.equal(counts.restored, events.length);
  for (let nth = 0; nth < 40; nth++)
    await near.post(ready("v0", { title: `${nth}`, videoUrl: `https://m.example/${nth}` }));
  const erased = await store.forgetVideo("v0", clock.now());
  assert.ok(erased.events > 20, `${erased.events}`);
  await assert.rejects(store.eventBody(events[0]!), { code: "body_expired" });
});

test("a breaker that closes writes some of a backlog in its settle, and each claim some more", limited, async (t) => {
  const { stores, ask } = await openStores(t, 1, { input: plain({ concurrency: 4, retry: ["1h"] }) });
  const [at] = stores as [Bench];
  const { store, clock } = at;
  const probe = await openOfMany(at, 600);
  const due = async () => Number(await ask(`SELECT count(*) FROM deliveries WHERE due = ${clock.now()}`));
  assert.equal((await at.deliver(probe)).breaker, "closed");
  const seen = [await due()];
  for (let more = true; more; seen.push(await due())) {
    const wish = { endpoint: "cms", now: clock.now(), limit: 1, leaseFor: 1_000 };
    more = (await store.claimDeliveries(wish)).isMore === true;
  }
  // One of them is under way.
  assert.deepEqual(seen, [250, 499, 598]);
});
