import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { about } from "../../../src/store/core/tx.ts";
import type { Way } from "../../../src/store/postgres/open.ts";
import { createQueue } from "../../../src/store/postgres/queue.ts";
import type { Wire } from "../../../src/store/postgres/wire/open.ts";
import { type Bench, plain, ready, remove, video } from "../../contracts/store.ts";
import { endpoint } from "../../support/config.ts";
import { answered } from "../../support/outcomes.ts";
import { testClock } from "../../support/ports.ts";
import { noPostgres, sharedPostgres } from "../../support/postgres.ts";
import { noting, type Sent } from "../../support/postgres-plans.ts";
import { wireTo } from "../../support/postgres-store.ts";
import { openStores, passing, pausing } from "../../support/postgres-stores.ts";
import { waitFor } from "../../support/wait.ts";

// What one store is at, or stands still within, holds up no other that is about something else.

const skip = noPostgres;
/** What would wait for something that does not end within the test. */
const limited = { skip, timeout: 60_000 };

/** Runs `work` while another connection is in a transaction that has run a statement. */
async function during(t: TestContext, url: string, text: string, work: () => Promise<void>): Promise<void> {
  const wire = await wireTo(url);
  t.after(() => wire.close());
  await wire.transaction(async (transaction) => {
    await transaction.query({ name: "", text, values: [] });
    await work();
  });
  await wire.close();
}

const commits = "SELECT coalesce(sum(value), 0) FROM counts WHERE name = 'commits'";

test("what is about all videos runs beside a VACUUM, which takes as long as it takes", limited, async (t) => {
  const { stores, url } = await openStores(t, 1);
  const [{ store, post, clock }] = stores as [Bench];
  // The lock of a VACUUM.
  await during(t, url, "LOCK TABLE videos IN SHARE UPDATE EXCLUSIVE MODE", async () => {
    await store.pauseEndpoint("cms", "for a while", clock.now());
    await post(ready("v1"));
  });
});

test(
  "what is about all videos waits for a transaction that stands still, and lets others go first",
  limited,
  async (t) => {
    const { wire, begin, goOn } = pausing("COMMIT");
    const { stores, clock, ask } = await openStores(t, 2, { wire: (real, nth) => (nth === 0 ? wire(real) : real) });
    const [one, other] = stores as [Bench, Bench];
    const isStill = begin();
    const still = one.post(ready("v1"));
    await isStill;
    let isPaused = false;
    const pause = passing(clock, other.store.pauseEndpoint("cms", "for a while", clock.now())).then(() => {
      isPaused = true;
    });
    await waitFor(async () => (await ask("SELECT 1 FROM pg_locks WHERE NOT granted")).length > 0);
    await passing(clock, other.post(ready("v2")));
    const standing = await ask(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
    );
    assert.equal(standing.length, 1, "it stands still yet");
    assert.equal(isPaused, false);
    goOn();
    await Promise.all([still, pause]);
  },
);

test("a claim waits for none that another store makes, and is made soon after", limited, async (t) => {
  const { wire, begin, goOn } = pausing("COMMIT");
  const { stores, clock } = await openStores(t, 2, { wire: (real, nth) => (nth === 0 ? wire(real) : real) });
  const [one, other] = stores as [Bench, Bench];
  await one.post(remove("v1"));
  const isStill = begin();
  const still = one.claim();
  await isStill;
  const wish = { endpoint: "cms", now: clock.now(), limit: 9, leaseFor: 30_000 };
  assert.deepEqual(await other.store.claimDeliveries(wish), { jobs: [], nextDue: clock.now() + 50 });
  goOn();
  assert.equal((await still).length, 1);
});

test(
  "claims wait for no store that is about to judge an answer; a probe leaves it to the next look",
  limited,
  async (t) => {
    const { wire, begin, goOn } = pausing("COMMIT");
    const { stores, clock } = await openStores(t, 2, {
      input: plain({ concurrency: 99, retry: ["1h"] }),
      wire: (real, nth) => (nth === 0 ? wire(real) : real),
    });
    const [one, other] = stores as [Bench, Bench];
    for (let n = 0; n < 14; n++) await one.post(remove(`v${n}`));
    const wish = { endpoint: "cms", limit: 9, leaseFor: 30_000 };
    const first = await other.store.claimDeliveries({ ...wish, now: clock.now(), limit: 13 });
    const [last, ...rest] = first.jobs;
    const fail = ({ store }: Bench, job: typeof last) =>
      store.settleDelivery(job!, answered(503, { at: clock.now() }), clock.now());
    await fail(other, rest.pop());
    const isStill = begin();
    const still = fail(one, last);
    await isStill;
    assert.equal((await other.store.claimDeliveries({ ...wish, now: clock.now() })).jobs.length, 1);
    goOn();
    await still;
    await Promise.all(rest.map((job) => fail(other, job)));
    const [state] = await other.store.endpoints();
    assert.ok(state!.health!.breaker, "it is open");
    clock.set(state!.health!.breaker.dueAt);
    const [probe] = (await other.store.claimDeliveries({ ...wish, now: clock.now() })).jobs;
    assert.ok(probe);
  },
);

test("kinds of writes do not wait for each other", limited, async (t) => {
  const { wire, begin, goOn } = pausing("COMMIT");
  const { stores } = await openStores(t, 2, { wire: (real, nth) => (nth === 0 ? wire(real) : real) });
  const [one, other] = stores as [Bench, Bench];
  const refusal = { receivedAt: 1, sourceAddress: "192.0.2.1", reason: "invalid_json", detail: null } as const;
  const refuse = ({ store }: Bench) => store.quarantine({ ...refusal, body: Buffer.from("{") } as never);
  const isStill = begin();
  const still = refuse(one);
  await isStill;
  let isOver = false;
  const waiting = refuse(other).then(() => {
    isOver = true;
  });
  await other.post(ready("v1"));
  assert.equal((await other.claim()).length, 1);
  assert.equal(isOver, false);
  goOn();
  await Promise.all([still, waiting]);
});

test("a video that another transaction is at hides no other, however few are asked for", limited, async (t) => {
  const { stores, clock, url } = await openStores(t, 1);
  const [{ post, store, download }] = stores as [Bench];
  for (const id of ["v1", "v2", "v3"]) await post(ready(id));
  await during(t, url, "SELECT 1 FROM videos WHERE video_id IN ('v1', 'v2') FOR UPDATE", async () => {
    const wish = { endpoint: "cms", now: clock.now(), limit: 1, leaseFor: 30_000 };
    const { jobs } = await store.claimDeliveries(wish);
    assert.deepEqual(
      jobs.map(({ videoId }) => videoId),
      ["v3"],
    );
    assert.deepEqual(
      (await download(1)).map(({ videoId }) => videoId),
      ["v3"],
    );
    assert.deepEqual((await store.claimDeliveries(wish)).jobs, []);
  });
});

test("answers of a failing endpoint that come together are one transaction", limited, async (t) => {
  const { stores, clock, ask } = await openStores(t, 1, { input: plain({ concurrency: 99, retry: ["1h"] }) });
  const [one] = stores as [Bench];
  for (let n = 0; n < 30; n++) await one.post(remove(`v${n}`));
  const jobs = await one.claim();
  const before = Number((await ask(commits))[0]![0]);
  const settled = await Promise.all(
    jobs.map((job) => one.store.settleDelivery(job, answered(503, { at: clock.now() }), clock.now())),
  );
  assert.equal(Number((await ask(commits))[0]![0]) - before, 1);
  assert.equal(settled.filter(({ breaker }) => breaker === "opened").length, 1);
  assert.equal((await one.store.endpoints())[0]!.health!.count, 29);
});

test(
  "of several stores one looks each hour for times that cannot be, and for a clock that was set back",
  limited,
  async (t) => {
    const { stores, clock, ask } = await openStores(t, 2);
    const [one, other] = stores as [Bench, Bench];
    await one.post(remove("v1"));
    const never = () => ask("UPDATE deliveries SET due = 9000000000000000");
    const count = async () => Number((await ask(commits))[0]![0]);
    await never();
    assert.equal(await one.store.seenAt(clock.now()), 0);
    assert.deepEqual(await ask("SELECT due FROM deliveries"), [[String(clock.now())]]);
    await clock.advance(40 * 60_000);
    await never();
    const before = await count();
    assert.equal(await other.store.seenAt(clock.now()), 0);
    assert.equal(await count(), before, "it was done a while ago");
    await clock.advance(20 * 60_000);
    assert.equal(await other.store.seenAt(clock.now()), 0);
    assert.deepEqual(await ask("SELECT due FROM deliveries"), [[String(clock.now())]]);
    assert.equal(await one.store.seenAt(clock.now() - 5_000), 5_000);
    assert.equal(await other.store.seenAt(clock.now() - 5_000), 0, "once");
  },
);

test("while a transaction waits the next one is made, but for videos that the first is about", limited, async (t) => {
  const { stores, url, ask } = await openStores(t, 1);
  const [{ store, post }] = stores as [Bench];
  await post(ready("held"));
  const answers: string[] = [];
  const send = async (id: string, videoContext: string) => {
    await post(ready(id, { videoContext }));
    answers.push(id);
  };
  let held: Promise<unknown>[] = [];
  await during(t, url, "SELECT 1 FROM videos WHERE video_id = 'held' FOR UPDATE", async () => {
    held = [send("held", "1")];
    await waitFor(async () => (await ask("SELECT 1 FROM pg_locks WHERE NOT granted")).length > 0);
    // Enough to be worth a transaction of their own, before and after those that have to wait.
    const others = Array.from({ length: 20 }, (_, n) => send(`v${n}`, "c"));
    held.push(...["2", "3"].map((context) => send("held", context)));
    others.push(...Array.from({ length: 20 }, (_, n) => send(`w${n}`, "c")));
    await Promise.all(others);
    assert.ok(!answers.includes("held"));
  });
  await Promise.all(held);
  const events = (await store.events({ limit: 99 })).filter(({ videoId }) => videoId === "held");
  assert.deepEqual(
    events.map(({ sequence, context }) => [sequence, context]).reverse(),
    ["c", "1", "2", "3"].map((context, at) => [at + 1, context]),
  );
});

test("a lease begins when it is given, however long the claim has waited", limited, async (t) => {
  const { stores, clock, ask } = await openStores(t, 1);
  const [{ store, post }] = stores as [Bench];
  await post(ready("v1"));
  const wish = { now: clock.now(), limit: 9, leaseFor: 20_000 };
  await clock.advance(15_000);
  assert.equal((await store.claimDeliveries({ ...wish, endpoint: "cms" })).jobs.length, 1);
  assert.equal((await store.claimDownloads({ ...wish, busyHosts: [] })).jobs.length, 2);
  const ends = await ask("SELECT due FROM deliveries UNION SELECT due FROM media");
  assert.deepEqual(ends, [[String(clock.now() + 20_000)]]);
});

test("a claim draws no more ids than it needs", limited, async (t) => {
  const { stores, ask } = await openStores(t, 2);
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 3; n++) await one.post(ready(`v${n}`));
  const given = async () => Number((await ask("SELECT last_value FROM ids"))[0]![0]);
  const before = await given();
  assert.equal((await other.claim()).length, 3);
  assert.equal((await other.download()).length, 6);
  assert.ok((await given()) - before < 16, `${(await given()) - before}`);
});

test(
  "stores under load, with new videos, failing endpoints and claims, never wait for each other in a circle",
  limited,
  async (t) => {
    const endpoints = ["a", "b", "c"].map((id) => endpoint(id, { concurrency: 99, retry: ["1s"] }));
    const { stores, clock, url, ask } = await openStores(t, 3, { input: { endpoints } });
    const shuffled = <T>(some: T[], seed: number) =>
      some
        .map((one, at) => [(at * 7919 + seed * 104729) % 101, one] as const)
        .sort(([one], [other]) => one - other)
        .map(([, one]) => one);
    await stores[0]!.post(ready("m"));
    for (let round = 0; round < 6; round++) {
      const names = ["m", ...Array.from({ length: 24 }, (_, n) => `${"az"[n % 2]}${round}-${n}`)];
      const settle = async ({ store }: Bench, nth: number) => {
        for (const { id } of shuffled(endpoints, round + nth)) {
          const wish = { endpoint: id, now: clock.now(), limit: 30, leaseFor: 30_000 };
          const { jobs } = await store.claimDeliveries(wish);
          const settled = jobs.map((job, at) => {
            const outcome = answered((at + round) % 3 === 0 ? 503 : 200, { at: clock.now() });
            return store.settleDelivery(job, outcome, clock.now());
          });
          await Promise.all(settled);
        }
      };
      const work = ({ store, post, download }: Bench, nth: number): Promise<unknown>[] => [
        // Some have a context: they take another number of round trips.
        ...shuffled(names, nth).map((id, at) => post(at % 2 === 0 ? ready(id, { round, nth }) : remove(id))),
        ...[settle(stores[nth]!, nth), store.indexTitles(), download(5)],
        store.noteDeed({ through: "cli", by: "me" }, {
          verb: "audit",
          subject: "a",
          count: null,
          outcome: "done",
        } as never),
      ];
      let working: Promise<unknown>[] = [];
      // All of them have begun, and have some of their locks, before the first has all.
      await during(t, url, "SELECT 1 FROM videos WHERE video_id = 'm' FOR UPDATE", async () => {
        working = stores.flatMap(work);
        const waiting =
          "SELECT 1 FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        await waitFor(async () => (await ask(waiting)).length === stores.length);
      });
      await Promise.all(working);
      await clock.advance(1_000);
    }
    assert.equal(await circles(stores, url), 0);
  },
);

test(
  "the first failures of endpoints that stores see at once, in whatever order, are no circle",
  limited,
  async (t) => {
    const names = ["a", "b", "c"];
    const endpoints = names.map((id) => endpoint(id, { concurrency: 99, retry: ["1h"] }));
    const { stores, clock, url, ask } = await openStores(t, 2, { input: { endpoints } });
    for (const id of ["v1", "v2", "v3", "w1", "w2", "w3"]) await stores[0]!.post(remove(id));
    const jobs = await Promise.all(
      names.map(async (endpoint) => {
        const wish = { endpoint, now: clock.now(), limit: 9, leaseFor: 30_000 };
        return (await stores[0]!.store.claimDeliveries(wish)).jobs;
      }),
    );
    const fail = ({ store }: Bench, video: string, to: number) => {
      const job = jobs[to]!.find(({ videoId }) => videoId === video)!;
      return store.settleDelivery(job, answered(503, { at: clock.now() }), clock.now());
    };
    let settling: Promise<unknown>[] = [];
    // Both have judged one answer, and wait to judge the next.
    await during(t, url, "INSERT INTO endpoints (id) VALUES ('b')", async () => {
      settling = [0, 1, 2].flatMap((nth) => [
        fail(stores[0]!, `v${nth + 1}`, nth),
        fail(stores[1]!, `w${nth + 1}`, 2 - nth),
      ]);
      await waitFor(async () => (await ask("SELECT 1 FROM pg_locks WHERE NOT granted")).length === 2);
    });
    await Promise.all(settling);
    assert.equal(await circles(stores, url), 0);
  },
);

test("a store that looks for what it has to upload reads nothing of what others have to", limited, async (t) => {
  const sent: Sent = new Map();
  const { stores, url, ask } = await openStores(t, 2, { wire: (real, nth) => (nth === 1 ? noting(real, sent) : real) });
  const [one, other] = stores as [Bench, Bench];
  for (let n = 0; n < 30; n++) await one.post(video(`v${n}`, `https://h/${n}.mp4`));
  for (const job of await one.download(30)) await one.spool(job);
  await other.post(video("own", "https://h/own.mp4"));
  for (const job of await other.download()) await other.spool(job);
  await ask("ANALYZE transfers");
  sent.clear();
  assert.equal((await other.upload()).length, 1);
  const asked = [...sent].filter(([text]) => /action = 'upload'/.test(text));
  assert.equal(asked.length, 2, "what is due, and when the next is");
  const wire = await wireTo(url);
  t.after(() => wire.close());
  for (const [text, values] of asked) {
    const { rows } = await wire.query({ name: "", text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values });
    const [{ Plan }] = rows[0]!["QUERY PLAN"] as [{ Plan: Node }];
    assert.ok(readOf("transfers", Plan) <= 1, text);
  }
});

type Node = { [Fact in "Relation Name" | "Node Type"]?: string } & {
  [Count in "Actual Rows" | "Actual Loops" | "Rows Removed by Filter"]?: number;
} & { Plans?: Node[] };

/** How many rows of a table were read. */
function readOf(table: string, node: Node): number {
  const inner = (node.Plans ?? []).reduce((sum, each) => sum + readOf(table, each), 0);
  if (node["Relation Name"] !== table) return inner;
  return inner + ((node["Actual Rows"] ?? 0) + (node["Rows Removed by Filter"] ?? 0)) * (node["Actual Loops"] ?? 0);
}

/** How often transactions waited for each other in a circle, until the stores have closed. */
async function circles(stores: Bench[], url: string): Promise<number> {
  for (const { store } of stores) await store.close();
  const server = await sharedPostgres();
  const ours = `datname = '${new URL(url).pathname.slice(1)}'`;
  await waitFor(async () => (await server.ask(`SELECT 1 FROM pg_stat_activity WHERE ${ours}`)).length === 0);
  return Number((await server.ask(`SELECT deadlocks FROM pg_stat_database WHERE ${ours}`))[0]![0]);
}

/** A wire that notes how each transaction is begun. */
function notingHow(how: object[]) {
  return (real: Wire): Way => ({
    ...real,
    transaction(work, begin) {
      how.push({ ...begin });
      return real.transaction(work, begin);
    },
  });
}

test("lists may take long, other reads and writes do not, and what goes through whole tables has the time for it", {
  skip,
}, async (t) => {
  const begun: { isLong?: boolean; within?: number }[] = [];
  const { stores, clock, ask } = await openStores(t, 1, { wire: notingHow(begun) });
  assert.ok(
    begun.some(({ within }) => within === 3_600_000),
    "the migration",
  );
  const unknown =
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples < 0";
  assert.deepEqual(await ask(unknown), []);
  const [{ store, post }] = stores as [Bench];
  const last = async (work: Promise<unknown>) => {
    await work;
    return begun.at(-1)!;
  };
  assert.equal((await last(store.events({ limit: 9 }))).isLong, true);
  assert.equal((await last(store.feed({ after: "oldest", limit: 9 }))).isLong, true);
  assert.equal((await last(store.endpoints())).isLong, false);
  const { within: ofOne = 0 } = await last(post(ready("v1")));
  assert.ok(ofOne > 0 && ofOne <= 5_000, `${ofOne}`);
  const { within: ofAll = 0 } = await last(store.bringForward(1_000, clock.now()));
  assert.ok(ofAll > 5_000 && ofAll <= 600_000, `${ofAll}`);
});

test("a write is tried for ten seconds in all, however long its tries take", async () => {
  const clock = testClock();
  const untils: number[] = [];
  const queue = createQueue({
    clock,
    commit: (_, { until }) => {
      const { promise, reject } = Promise.withResolvers<never>();
      untils.push(until - clock.elapsed());
      clock.after(until - clock.elapsed(), () => reject(new Error("no answer")));
      return promise;
    },
    isTrouble: () => true,
    isPassing: () => false,
    committed() {},
    onTrouble() {},
    probe: about("v", async () => {}),
  });
  const begun = clock.elapsed();
  const failed: number[] = [];
  const write = (videoId: string) =>
    assert.rejects(queue.write(about(videoId, async () => {})), { code: "store_unavailable" }).then(() => {
      failed.push(clock.elapsed() - begun);
    });
  const first = write("v1");
  await clock.advance(1_000);
  const second = write("v2");
  while (failed.length < 2) {
    await clock.advance(5);
    await new Promise(setImmediate);
  }
  await Promise.all([first, second]);
  assert.ok(failed[0]! >= 10_000 && failed[0]! < 10_050, `${failed[0]}`);
  // Its last try has two seconds.
  assert.ok(failed[1]! >= 11_000 && failed[1]! < 12_050, `${failed[1]}`);
  assert.equal(untils[0], 5_000);
  await queue.close();
});
