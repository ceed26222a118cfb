import assert from "node:assert/strict";
import { settingsOf } from "../../src/store/settings.ts";
import { nextDue } from "../support/next-due.ts";
import { unanswered } from "../support/outcomes.ts";
import { makeTask, workTask } from "../support/tasks.ts";
import { type Bench, checker, draft, type OpenStore, plain, remove } from "./store.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** So long a wait that what is sent sooner is a probe, or was brought forward. */
const HOURLY = plain({ concurrency: 4, retry: ["1h", "1h", "1h"] });

/** What every store engine must do with answers that speak of an endpoint, in the words of CONTRACT ("Breaker"). */
export function storeBreakerContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "ten failures that speak of the endpoint open its breaker; then only probes go, one at a time, at growing distances",
    async (at) => {
      const { claim, deliver, fail, clock, store, seqs } = at;
      const jobs = await postAndClaim(at, 12);
      for (const job of jobs.slice(0, 10)) assert.equal((await fail(job, 503)).breaker, null);
      assert.equal((await fail(jobs[10]!, 503)).breaker, "opened");
      assert.equal((await deliver(jobs[11]!)).breaker, null, "this attempt began before it opened");
      assert.deepEqual(await claim(), []);
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 5 * SECOND);
      await clock.advance(5 * SECOND - 1);
      assert.deepEqual(await claim(), []);
      await clock.advance(1);
      const [probe, ...others] = await claim();
      assert.deepEqual([seqs([probe!]), others], [["v1#1"], []]);
      assert.deepEqual(await claim(), []);
      const before = await store.delivery(probe!.id);
      assert.equal((await fail(probe!, 503)).breaker, null);
      const after = await store.delivery(probe!.id);
      assert.deepEqual([before.attempts, after.attempts], [1, 2]);
      assert.deepEqual([before.attemptsLeft, after.attemptsLeft], [3, 3], "a probe spends nothing");
      assert.equal(after.nextAttemptAt, clock.now() - 5 * SECOND + HOUR, "and leaves the schedule as it was");
      assert.deepEqual(
        after.attemptLog.map(({ probe }) => probe),
        [false, true],
      );
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 10 * SECOND);
      await clock.advance(10 * SECOND);
      assert.deepEqual(seqs(await claim()), ["v2#1"], "whose last attempt is longest ago");
    },
    HOURLY,
  );

  check(
    "a failure says whether it was a probe's, and what holds its delivery beside its schedule",
    async (at) => {
      const { claim, fail, store, clock } = at;
      const jobs = await postAndClaim(at, 12);
      const schedule = await fail(jobs[0]!, 422);
      assert.deepEqual([schedule.isProbe, schedule.waitsFor], [false, null]);
      for (const job of jobs.slice(1, 11)) await fail(job, 503);
      const opens = await fail(jobs[11]!, 503);
      const wait = { is: "breaker", until: clock.now() + 5 * SECOND, of: "cms" };
      assert.deepEqual([opens.isProbe, opens.breaker, opens.waitsFor], [false, "opened", wait]);
      await clock.advance(5 * SECOND);
      const [probe] = await claim();
      const probed = await fail(probe!, 503);
      const next = { ...wait, until: clock.now() + 10 * SECOND };
      assert.deepEqual([probed.isProbe, probed.waitsFor], [true, next]);
      await store.pauseEndpoint("cms", "nightly", clock.now());
      await clock.advance(10 * SECOND);
      await store.resumeEndpoint("cms");
      const [another] = await claim();
      await store.pauseEndpoint("cms", "nightly", clock.now());
      const held = (await fail(another!, 503)).waitsFor;
      assert.deepEqual(held, { is: "pause", until: null, of: "operator" });
    },
    HOURLY,
  );

  check(
    "a probe's success closes it: what failed because of the endpoint is due, within a ramp that doubles",
    async (at) => {
      const { claim, deliver, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 12);
      assert.equal((await deliver(probe!)).breaker, "closed");
      assert.equal(await nextDue(store, "deliver/cms"), clock.now());
      const first = await claim();
      assert.deepEqual(seqs(first), ["v2#1"]);
      assert.deepEqual(await claim(), [], "one in flight");
      await deliver(first[0]!);
      const two = await claim();
      assert.deepEqual(seqs(two), ["v3#1", "v4#1"]);
      await deliver(two[0]!);
      assert.equal((await store.endpoints())[0]?.health ?? null, null, "four: as many as the config allows");
      assert.equal((await claim()).length, 8);
    },
    HOURLY,
  );

  check(
    "a probe's success makes all due at once, however many there are; what fails from then on waits",
    async (at) => {
      const { claim, deliver, fail, store, clock } = at;
      const count = 600;
      const probe = await openOfMany(at, count);
      const pending = () => store.deliveries({ limit: count, state: "pending" });
      const [last] = await pending();
      // So it is the first of all, and stands at their end once it has failed.
      await store.retryDelivery(last!.id, clock.now());
      await clock.advance(1);
      assert.equal((await deliver(probe)).breaker, "closed");
      const [, ...waiting] = await pending();
      assert.deepEqual(
        [waiting.length, new Set(waiting.map(({ nextAttemptAt }) => nextAttemptAt))],
        [count - 2, new Set([clock.now()])],
      );
      assert.ok(waiting.every(({ waitsFor }) => waitsFor?.is !== "retry"));
      await clock.advance(SECOND);
      const [failing] = await claim();
      assert.equal(failing!.id, last!.id);
      await fail(failing!, 503);
      const next = clock.now() + HOUR;
      let sent = 0;
      for (let jobs = await claim(); jobs.length > 0; jobs = await claim()) {
        for (const { settled } of await Promise.all(jobs.map(deliver))) sent += settled ? 1 : 0;
      }
      assert.equal(sent, count - 2);
      assert.deepEqual(
        (await pending()).map(({ id, nextAttemptAt }) => [id, nextAttemptAt]),
        [[failing!.id, next]],
      );
      assert.equal(await nextDue(store, "deliver/cms"), next);
    },
    HOURLY,
  );

  check(
    "an operator who resumes an endpoint that is failing has it probed at once",
    async (at) => {
      const { claim, fail, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 11);
      await fail(probe!, 503, { retryAfter: HOUR });
      assert.deepEqual([await claim(), await nextDue(store, "deliver/cms")], [[], clock.now() + HOUR]);
      await store.resumeEndpoint("cms");
      assert.equal(await nextDue(store, "deliver/cms"), clock.now());
      assert.deepEqual(seqs(await claim()), ["v2#1"]);
    },
    HOURLY,
  );

  check(
    "an operator who retries one delivery of an endpoint that is failing has it probed at once; a task does not",
    async (at) => {
      const { claim, fail, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 11);
      await fail(probe!, 503);
      const next = (await nextDue(store, "deliver/cms"))!;
      assert.ok(next > clock.now());
      const [pending] = await store.deliveries({ limit: 1, state: "pending" });
      const wish = { verb: "retry" as const, filter: { state: "pending" as const } };
      const { task } = await workTask(store, await makeTask(store, wish, clock.now()), () => clock.now());
      assert.ok(task.done > 5);
      assert.deepEqual(await claim(), []);
      await store.retryDelivery(pending!.id, clock.now());
      assert.equal(await nextDue(store, "deliver/cms"), clock.now());
      assert.equal(seqs(await claim()).length, 1);
      assert.deepEqual(await claim(), [], "one at a time");
    },
    HOURLY,
  );

  check(
    "a probe's answer that speaks of its event closes it, too; that one waits for its own schedule",
    async (at) => {
      const { claim, fail, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 11);
      const { nextAttemptAt } = await fail(probe!, 404);
      assert.deepEqual((await store.endpoints())[0]?.health?.breaker, null);
      assert.equal(nextAttemptAt, clock.now() - 5 * SECOND + HOUR);
      assert.deepEqual(seqs(await claim()), ["v2#1"]);
    },
    HOURLY,
  );

  check(
    "what asked to be left alone, or waits after an answer of its own, is no probe before, and not brought forward",
    async (at) => {
      const { claim, deliver, fail, store, clock, seqs } = at;
      const [own, asked, ...others] = await postAndClaim(at, 13);
      await fail(own!, 404);
      await fail(asked!, 503, { retryAfter: 2 * MINUTE });
      for (const job of others) await fail(job, 503);
      const due = clock.now() + HOUR;
      const hint = clock.now() + 2 * MINUTE;
      for (const [distance, video] of [5, 10, 20, 40].entries()) {
        await clock.advance(video * SECOND);
        const [probe] = await claim();
        assert.deepEqual(seqs([probe!]), [`v${distance + 3}#1`]);
        if (distance < 3) await fail(probe!, 503);
        else assert.equal((await deliver(probe!)).breaker, "closed");
      }
      assert.equal((await store.delivery(asked!.id)).nextAttemptAt, hint);
      assert.equal((await store.delivery(own!.id)).nextAttemptAt, due);
      assert.equal((await store.delivery(others.at(-1)!.id)).nextAttemptAt, clock.now());
    },
    HOURLY,
  );

  check(
    "while one video alone fails with 5xx, its probes that are due by its schedule spend: it may be the poison",
    async ({ post, claim, fail, store, clock }) => {
      await post(remove("v1"));
      const left = async () => (await store.deliveries({ limit: 1 }))[0]?.attemptsLeft;
      const refuse = async () => {
        const [job] = await claim();
        return store.settleDelivery(job!, unanswered("connection", { at: clock.now() }), clock.now());
      };
      for (let n = 1; n <= 10; n++) {
        assert.equal((await refuse()).breaker, n === 10 ? "opened" : null);
        await clock.advance(SECOND);
      }
      const spent = await left();
      await clock.advance(4 * SECOND);
      await refuse();
      assert.equal(await left(), spent, "a connection that is refused is none of its making");
      await clock.advance(10 * SECOND);
      await fail((await claim())[0]!, 503);
      assert.equal(await left(), spent! - 1);
    },
    plain({ retry: Array(20).fill("1s") }),
  );

  check(
    "one whose lease has run out is no probe any longer, and another goes",
    async (at) => {
      const { claim, deliver, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 11);
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 30 * SECOND);
      await clock.advance(30 * SECOND);
      const [next, ...none] = await claim();
      assert.deepEqual([seqs([next!]), none], [["v2#1"], []]);
      assert.equal((await deliver(probe!)).settled, false);
      assert.equal((await deliver(next!)).breaker, "closed");
    },
    HOURLY,
  );

  check(
    "of a video that is erased nothing is a probe; of one that was, the answer counts",
    async (at) => {
      const { claim, deliver, fail, store, clock, seqs } = at;
      const [probe] = await openBreaker(at, 11);
      for (const video of ["v1", "v2"]) await store.forgetVideo(video, clock.now());
      const { state, breaker } = await fail(probe!, 503);
      assert.deepEqual([state, breaker], ["canceled", null]);
      await clock.advance(10 * SECOND);
      const [next] = await claim();
      assert.deepEqual(seqs([next!]), ["v3#1"]);
      await store.forgetVideo("v3", clock.now());
      const ended = await deliver(next!);
      assert.deepEqual([ended.state, ended.breaker], ["delivered", "closed"]);
    },
    HOURLY,
  );

  check(
    "it stays open over a restart",
    async (at) => {
      const { fail, store, clock, reopen } = at;
      for (const job of await postAndClaim(at, 11)) await fail(job, 503);
      await store.close();
      const again = await reopen();
      try {
        const wish = { endpoint: "cms", limit: 9, leaseFor: 30_000 };
        assert.deepEqual((await again.claimDeliveries({ ...wish, now: clock.now() })).jobs, []);
        await clock.advance(5 * SECOND);
        assert.equal((await again.claimDeliveries({ ...wish, now: clock.now() })).jobs.length, 1);
      } finally {
        await again.close();
      }
    },
    HOURLY,
  );

  check(
    "when the clock is set back, the next probe stays as far away as it was",
    async (at) => {
      const { claim, fail, store, clock } = at;
      for (const job of await postAndClaim(at, 11)) await fail(job, 503);
      clock.set(clock.now() - 10 * HOUR);
      await store.bringForward(10 * HOUR, clock.now());
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 5 * SECOND);
      assert.deepEqual(await claim(), []);
      await clock.advance(5 * SECOND);
      assert.equal((await claim()).length, 1);
    },
    HOURLY,
  );

  check(
    "an answer that asks for no further attempt ends its delivery at once, and says nothing of the endpoint",
    async (at) => {
      const { die, store } = at;
      for (const job of await postAndClaim(at, 12)) {
        const { state, breaker, nextAttemptAt } = await die(job);
        assert.deepEqual([state, breaker, nextAttemptAt], ["dead", null, null]);
      }
      assert.deepEqual(await store.endpoints(), []);
    },
    HOURLY,
  );

  check(
    "an attempt is kept with what was sent, and for how long the endpoint asked to be left alone",
    async ({ post, claim, deliver, fail, store, clock }) => {
      await post(remove("v1"));
      const [job] = await claim();
      await fail(job!, 503, { retryAfter: 90_500 });
      await clock.advance(HOUR);
      const [again] = await claim();
      await deliver(again!);
      const { attemptLog } = await store.delivery(job!.id);
      assert.deepEqual(
        attemptLog.map(({ n, status, retryAfter, probe, bytes, sha256 }) => {
          return { n, status, retryAfter, probe, bytes, sha256 };
        }),
        [
          { n: 1, status: 503, retryAfter: 90_500, probe: false, bytes: 2, sha256: "ab" },
          { n: 2, status: 200, retryAfter: null, probe: false, bytes: 2, sha256: "ab" },
        ],
      );
    },
    HOURLY,
  );

  check(
    "Retry-After postpones by at most an hour beyond the schedule, and jitter never shortens it",
    async (at) => {
      const { fail, clock } = at;
      const jobs = await postAndClaim(at, 4);
      const waits = [
        await fail(jobs[0]!, 404, { retryAfter: SECOND }),
        await fail(jobs[1]!, 404, { retryAfter: 90 * MINUTE, spread: 0 }),
        await fail(jobs[2]!, 404, { retryAfter: 100 * HOUR }),
        await fail(jobs[3]!, 404, { spread: 0 }),
      ].map(({ nextAttemptAt }) => (nextAttemptAt! - clock.now()) / MINUTE);
      assert.deepEqual(waits, [60, 90, 120, 50]);
    },
    HOURLY,
  );

  check(
    "an endpoint that the config pauses gets nothing until it does so no longer; an operator's pause stands beside that",
    async ({ post, claim, store, clock, config, seqs }) => {
      const { leased, id } = await post(remove("v1"), clock.now(), ["cms"]);
      assert.deepEqual([leased, await claim(), await nextDue(store, "deliver/cms")], [[], [], null]);
      const waitsFor = async () => (await store.deliveries({ limit: 1, eventId: id }))[0]?.waitsFor;
      assert.deepEqual(await waitsFor(), { is: "pause", until: null, of: "config" });
      await store.pauseEndpoint("cms", "lunch", clock.now());
      const endpoints = config.endpoints.map((endpoint) => ({ ...endpoint, paused: false }));
      store.configure(settingsOf({ ...config, endpoints }));
      assert.deepEqual(await claim(), []);
      assert.deepEqual(await waitsFor(), { is: "pause", until: null, of: "operator" });
      await store.resumeEndpoint("cms");
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
    plain({ paused: true }),
  );

  check(
    "what waits for its endpoint's rate waits for a slot",
    async ({ post, store }) => {
      const { id } = await post(remove("v1"));
      const [{ waitsFor } = assert.fail()] = await store.deliveries({ limit: 1, eventId: id });
      assert.deepEqual(waitsFor, { is: "slot", until: null, of: null });
    },
    plain({ ratePerSecond: 4 }),
  );

  check(
    "what has taken over from one that failed is probed in its place",
    async (at) => {
      const { post, claim, fail, store, clock, seqs } = at;
      for (let n = 1; n <= 11; n++) await post(draft(`v${n}`));
      for (const job of await claim()) await fail(job, 503);
      for (let n = 1; n <= 11; n++) await post(draft(`v${n}`));
      await clock.advance(5 * SECOND);
      const [probe] = await claim();
      assert.deepEqual(seqs([probe!]), ["v1#2"], "its own schedule names a later time");
      await fail(probe!, 503);
      await clock.advance(10 * SECOND);
      assert.deepEqual(seqs(await claim()), ["v2#2"]);
      assert.equal((await store.delivery(probe!.id)).attemptsLeft, 4, "a probe spends nothing");
    },
    plain({ concurrency: 4, retry: ["1h", "1h", "1h"], coalesce: ["draft.update"] }),
  );

  check(
    "a claim is due when what asked to wait may be probed, which may be long before its own schedule",
    async (at) => {
      const { post, claim, fail, store, clock } = at;
      const jobs = await postAndClaim(at, 11);
      for (const job of jobs) await fail(job, 503, { retryAfter: 10 * MINUTE });
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 10 * MINUTE);
      for (const job of jobs.slice(1)) await store.cancelDelivery(job.id, clock.now());
      await clock.advance(10 * MINUTE);
      const [probe] = await claim();
      await fail(probe!, 503, { retryAfter: 20 * MINUTE });
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 20 * MINUTE);
      await post(remove("w"));
      assert.equal(await nextDue(store, "deliver/cms"), clock.now() + 20 * MINUTE, "it asked for that");
    },
    HOURLY,
  );

  check(
    "a probe that could not be sent waits as its schedule has it",
    async (at) => {
      const { post, claim, store, clock } = at;
      const [probe] = await openBreaker(at, 11);
      await at.fail(probe!, 503);
      for (const { id } of await store.deliveries({ limit: 20 })) await store.cancelDelivery(id, clock.now());
      await post(remove("w"));
      await clock.advance(10 * SECOND);
      const [unsent] = await claim();
      const outcome = unanswered("body", { at: clock.now() });
      const { nextAttemptAt } = await store.settleDelivery(unsent!, outcome, clock.now());
      assert.equal(nextAttemptAt, clock.now() + HOUR);
      assert.deepEqual(await claim(), []);
    },
    HOURLY,
  );

  check(
    "however many have failed and lost their turn to replays, what stands before them is probed again",
    async (at) => {
      const { post, deliver, fail, store, clock, seqs, claim } = at;
      const count = 101;
      const all = async () => {
        const wish = { endpoint: "cms", now: clock.now(), limit: count, leaseFor: MINUTE };
        return (await store.claimDeliveries(wish)).jobs;
      };
      const events = await Promise.all(Array.from({ length: count }, (_, n) => post(remove(`v${n}`))));
      for (const job of await all()) await deliver(job);
      await Promise.all(events.map((_, n) => post(JSON.stringify({ type: "draft.exit", wochitVideoId: `v${n}` }))));
      for (const job of await all()) await fail(job, 503);
      for (const { id } of events)
        await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      for (let n = 0; n < count; n++) {
        await clock.advance(5 * MINUTE);
        const [probe] = await claim();
        await fail(probe!, 503);
      }
      await clock.advance(5 * MINUTE);
      await claim();
      assert.deepEqual(seqs(await claim()), ["v0#1"]);
    },
    HOURLY,
  );
}

/** As many videos with a delivery each, `v1` on, all under way. */
async function postAndClaim({ post, claim }: Bench, count: number) {
  for (let n = 1; n <= count; n++) await post(remove(`v${n}`));
  const jobs = await claim();
  assert.equal(jobs.length, count);
  return jobs;
}

/** The same, all failed: the breaker has opened at the eleventh, and the first probe is under way, of `v1`. */
async function openBreaker(at: Bench, count: number) {
  for (const job of await postAndClaim(at, count)) await at.fail(job, 503);
  await at.clock.advance(5 * SECOND);
  return at.claim();
}

/** Deliveries of that many videos have failed, and the breaker has opened: the probe that is under way. */
export async function openOfMany({ post, fail, claim, store, clock }: Bench, count: number) {
  const names = Array.from({ length: count }, (_, n) => `v${n}`);
  await inParts(names, (name) => post(remove(name)));
  const wish = { endpoint: "cms", now: clock.now(), limit: count, leaseFor: HOUR };
  const { jobs } = await store.claimDeliveries(wish);
  assert.equal(jobs.length, count);
  await inParts(jobs, (job) => fail(job, 503));
  await clock.advance(5 * SECOND);
  const [probe] = await claim();
  return probe!;
}

/** Some at once: all of them would wait longer for a slow machine than a store tries. */
async function inParts<One>(all: One[], work: (one: One) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += 50) await Promise.all(all.slice(at, at + 50).map(work));
}
