import assert from "node:assert/strict";
import { type Bench, checker, draft, type OpenStore, plain, remove } from "./store.ts";

const LEASE = 30_000;

/** What every store engine must do with claims that nobody works on any longer, in the words of CONTRACT ("Retry, replay, cancel"). */
export function storeLanesContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "what a worker gives back waits again, and is lost to it",
    async (at) => {
      const { claim, deliver, store, clock, seqs } = at;
      const job = await headOfTwo(at);
      assert.equal(await store.renew(job, 0), true);
      const { state, nextAttemptAt, attempts } = await store.delivery(job.id);
      assert.deepEqual([state, nextAttemptAt, attempts], ["pending", clock.now(), 0]);
      assert.equal((await deliver(job)).settled, false);
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
    plain(),
  );

  check(
    "what is given back after it was canceled ends, and its lane goes on",
    async (at) => {
      const { claim, store, clock, seqs } = at;
      const job = await headOfTwo(at);
      await store.cancelDelivery(job.id, clock.now());
      assert.equal((await store.delivery(job.id)).state, "running");
      assert.equal(await store.renew(job, 0), true);
      const { state, attempts, lastError } = await store.delivery(job.id);
      assert.deepEqual([state, attempts, lastError], ["canceled", 0, "canceled by the operator"]);
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
    },
    plain(),
  );

  check(
    "one whose lease has run out is canceled at once, and its lane goes on",
    async (at) => {
      const { claim, deliver, store, clock, seqs } = at;
      const job = await headOfTwo(at);
      await clock.advance(LEASE);
      await store.cancelDelivery(job.id, clock.now());
      assert.equal((await store.delivery(job.id)).state, "canceled");
      assert.equal((await deliver(job)).settled, false);
      assert.deepEqual(seqs(await claim()), ["v1#2"]);
    },
    plain(),
  );

  check(
    "one that was canceled while it ran, and whose lease has run out since, is canceled at once",
    async ({ post, claim, store, clock }) => {
      await post(remove("v1"));
      const [job] = await claim();
      await store.cancelDelivery(job!.id, clock.now());
      await clock.advance(LEASE - 1);
      await store.cancelDelivery(job!.id, clock.now());
      assert.equal((await store.delivery(job!.id)).state, "running");
      await clock.advance(1);
      await store.cancelDelivery(job!.id, clock.now());
      assert.equal((await store.delivery(job!.id)).state, "canceled");
    },
    plain(),
  );

  check(
    "forget ends what nobody works on, whether it was canceled before or not",
    async ({ post, claim, store, clock }) => {
      await post(remove("v1"));
      await post(remove("v2"));
      const [one] = await claim();
      await store.cancelDelivery(one!.id, clock.now());
      await clock.advance(LEASE);
      await store.forgetVideo("v1", clock.now());
      await store.forgetVideo("v2", clock.now());
      const states = (await store.deliveries({ limit: 9 })).map(({ state }) => state);
      assert.deepEqual(states, ["canceled", "canceled"]);
    },
    plain(),
  );

  check(
    "one whose lease has run out is claimed anew before what was put ahead of it: its attempt may still be under way",
    async (at) => {
      const { claim, deliver, clock, seqs } = at;
      await retriedBehindOther(at);
      await clock.advance(LEASE);
      const again = await claim();
      assert.deepEqual(seqs(again), ["v1#2"]);
      await deliver(again[0]!);
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
    plain(),
  );

  check(
    "what was put ahead of one that is under way waits for it, and says so",
    async (at) => {
      const first = await retriedBehindOther(at);
      const [running] = await at.store.deliveries({ limit: 1 });
      assert.equal(running?.state, "running");
      assert.deepEqual((await at.store.delivery(first.id)).waitsFor, { is: "lane", until: null, of: running.id });
    },
    plain(),
  );

  check(
    "what was put ahead of one that was under way is due at once after a start",
    async (at) => {
      const { claim, store, clock, seqs } = at;
      const first = await retriedBehindOther(at);
      assert.equal(await store.freeLeases(clock.now()), 1);
      assert.equal((await store.delivery(first.id)).nextAttemptAt, clock.now());
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
    },
    plain(),
  );

  check(
    "410s of attempts that were under way when an operator paused the endpoint leave the pause as it is",
    async ({ post, claim, fail, store, clock }) => {
      await post(remove("v1"));
      await post(remove("v2"));
      const [one, two] = await claim();
      await store.pauseEndpoint("cms", "lunch", clock.now());
      const pausedAt = clock.now();
      await clock.advance(1_000);
      for (const job of [one!, two!]) assert.equal((await fail(job, 410)).paused, false);
      assert.deepEqual(await store.endpoints(), [{ endpoint: "cms", pausedAt, reason: "lunch", health: null }]);
    },
    plain(),
  );

  check(
    "a delivery of an event that comes in is claimed with it where its endpoint has a slot free",
    async ({ post, claim, deliver, fail, store, clock, seqs }) => {
      const free = ["cms"];
      const first = await post(remove("v1"), clock.now(), free);
      assert.deepEqual(seqs(first.leased), ["v1#1"]);
      const [job] = first.leased;
      assert.deepEqual(await claim(), [], "it is claimed");
      assert.equal((await store.delivery(job!.id)).state, "running");
      assert.equal(new TextDecoder().decode(job!.body!), remove("v1"));

      const second = await post(draft("v1"), clock.now(), free);
      assert.deepEqual(second.leased, [], "its lane is held by the first");
      const other = await post(remove("v2"), clock.now(), free);
      assert.deepEqual(seqs(other.leased), ["v2#1"]);
      assert.deepEqual((await post(remove("v2"), clock.now(), free)).leased, [], "a duplicate has no delivery");

      assert.equal((await deliver(job!)).settled, true);
      const third = await post(remove("v3"), clock.now(), free);
      assert.deepEqual(third.leased, [], "the second of v1 is due, and goes first");
      assert.deepEqual(seqs(await claim()), ["v1#2", "v3#1"]);

      await fail(other.leased[0]!);
      const fourth = await post(remove("v4"), clock.now(), free);
      assert.deepEqual(seqs(fourth.leased), ["v4#1"], "a retry that is not due yet holds nobody up");
      await clock.advance(30_001);
      const fifth = await post(remove("v5"), clock.now(), free);
      assert.deepEqual(fifth.leased, [], "leases have run out: those go first");
    },
    plain({ retry: ["1m"] }),
  );

  check(
    "none is claimed with its event while its endpoint is paused, or for an endpoint without a slot",
    async ({ post, claim, store, clock, seqs }) => {
      assert.deepEqual((await post(remove("v1"), clock.now(), ["other"])).leased, []);
      assert.deepEqual(seqs(await claim()), ["v1#1"]);
      await store.pauseEndpoint("cms", "for a test", clock.now());
      assert.deepEqual((await post(remove("v2"), clock.now(), ["cms"])).leased, []);
      await store.resumeEndpoint("cms");
      assert.deepEqual(seqs(await claim()), ["v2#1"]);
    },
    plain(),
  );

  for (const state of ["active", "failing"]) {
    check(
      `a claim that ends among many that others of their lanes stand before now says so, and the next goes on: ${state}`,
      async ({ post, fail, claim, store, clock, seqs }) => {
        if (state === "failing") {
          for (let n = 0; n < 11; n++) {
            await post(remove(`x${n}`));
            const [job] = await claim();
            await fail(job!, 503);
          }
        }
        const firsts: string[] = [];
        for (let n = 0; n < 150; n++) {
          const { id } = await post(remove(`v${n}`));
          await post(draft(`v${n}`));
          const [first] = await store.deliveries({ eventId: id, limit: 1 });
          firsts.push(first!.id);
          await store.cancelDelivery(first!.id, clock.now());
        }
        await clock.advance(5 * 60_000);
        for (const id of firsts) await store.retryDelivery(id, clock.now());
        const ask = () => store.claimDeliveries({ endpoint: "cms", limit: 1, now: clock.now(), leaseFor: LEASE });
        const { jobs, nextDue, isMore } = await ask();
        assert.deepEqual([jobs, isMore], [[], true]);
        assert.ok(nextDue! <= clock.now());
        const next = await ask();
        assert.equal(next.isMore, undefined);
        assert.deepEqual(seqs(next.jobs), ["v0#1"]);
      },
      plain({ retry: Array(20).fill("1h") }),
    );
  }
}

/** Two events of a video, of which the first is being delivered. */
async function headOfTwo({ post, claim }: Bench) {
  await post(remove("v1"));
  await post(draft("v1"));
  return (await claim())[0]!;
}

/** The same, but that the first has failed for good, and is retried while the second is being delivered. */
async function retriedBehindOther(at: Bench) {
  const { claim, die, store, clock, seqs } = at;
  const first = await headOfTwo(at);
  await die(first);
  assert.deepEqual(seqs(await claim()), ["v1#2"]);
  await store.retryDelivery(first.id, clock.now());
  return first;
}
