import assert from "node:assert/strict";
import { test } from "node:test";
import { type Lease, type Queue, startWorker } from "../../src/jobs/worker.ts";
import { type Job, LEASE } from "../../src/model/job.ts";
import type { Store } from "../../src/store/store.ts";
import { testClock, testPorts } from "../support/ports.ts";

/** A queue whose due jobs are a list, and whose running ones end when the test says so. */
function bench(concurrency = 2, more: Partial<Queue<Job>> = {}, renew?: Store["renew"], isShared = false) {
  const clock = testClock();
  const ports = testPorts(clock);
  const due: { id: string; at: number }[] = [];
  const running = new Map<string, { end(): void; fail(error: Error): void; lease: Lease }>();
  const claims: number[] = [];
  const jobs: Job[] = [];
  let claim = 0;
  let lost = false;
  const renewals: string[] = [];
  const store = {
    shared: isShared ? { clock, onJump() {} } : null,
    renew: async (job: Job, leaseFor: number) => {
      renewals.push(job.id);
      return renew === undefined ? !lost : renew(job, leaseFor);
    },
  } as unknown as Store;
  const queue: Queue<Job> = {
    name: "upload",
    concurrency,
    async claim({ limit, now }) {
      claims.push(limit);
      const ready = due.filter(({ at }) => at <= now).slice(0, limit);
      for (const each of ready) due.splice(due.indexOf(each), 1);
      const claimed = ready.map(({ id }) => ({ id, claim: String(++claim) }) as Job);
      jobs.push(...claimed);
      return { jobs: claimed, nextDue: due.length === 0 ? null : Math.min(...due.map(({ at }) => at)) };
    },
    run: (job, lease) =>
      new Promise<void>((end, fail) => {
        running.set(job.id, { end, fail, lease });
        lease.signal.addEventListener("abort", () => end());
      }).finally(() => running.delete(job.id)),
    ...more,
  };
  const worker = startWorker(queue, store, ports);
  const add = (...ids: string[]) => due.push(...ids.map((id) => ({ id, at: clock.now() })));
  return {
    clock,
    ports,
    worker,
    due,
    running,
    jobs,
    claims,
    renewals,
    add,
    /** Runs a hundred jobs that take no time. */
    async beQuick() {
      for (let count = 0; count < 100; count++) {
        add(`${count}`);
        worker.wake();
        await clock.advance(0);
        running.get(`${count}`)?.end();
        await clock.advance(0);
      }
    },
    ids: () => [...running.keys()].sort().join(""),
    loseLeases: () => {
      lost = true;
    },
  };
}

test("a worker runs as many jobs as it has slots, and the next one when one ends or breaks", async () => {
  const { add, worker, clock, ids, running, ports } = bench();
  add("a", "b", "c", "d");
  worker.wake();
  await clock.advance(0);
  assert.equal(ids(), "ab");
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(ids(), "bc");
  running.get("b")?.fail(new Error("broke"));
  await clock.advance(0);
  assert.equal(ids(), "cd");
  assert.ok(ports.log.facts.some(({ fact, fields }) => fact === "job failed" && fields.error === "broke"));
});

test("a job that yields its slot goes on while another one starts", async () => {
  const { add, worker, clock, ids, running } = bench(1);
  add("a", "b", "c");
  worker.wake();
  await clock.advance(0);
  running.get("a")?.lease.yieldSlot();
  running.get("a")?.lease.yieldSlot();
  await clock.advance(0);
  assert.equal(ids(), "ab", "a slot is given once");
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(ids(), "b");
});

test("a slot that is given back while nothing is due asks nothing; the job's end does", async () => {
  const { add, worker, clock, running, claims } = bench(2);
  add("a");
  worker.wake();
  await clock.advance(0);
  const asked = claims.length;
  running.get("a")?.lease.yieldSlot();
  await clock.advance(0);
  assert.equal(claims.length, asked);
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(claims.length, asked + 1);
});

test("a job that is due later is claimed then, without a poll in between", async () => {
  const { due, worker, clock, ids, claims } = bench();
  due.push({ id: "a", at: clock.now() + 10_000 });
  worker.wake();
  await clock.advance(9_999);
  const before = claims.length;
  assert.ok(before <= 2, `${before} claims while nothing was due`);
  assert.equal(ids(), "");
  await clock.advance(1);
  assert.equal(ids(), "a");
});

test("when the clock jumps ahead, what came due is noticed within half a minute", async () => {
  const { due, worker, clock, ids } = bench();
  due.push({ id: "a", at: clock.now() + 3_600_000 });
  worker.wake();
  await clock.advance(0);
  clock.set(clock.now() + 7_200_000);
  await clock.advance(30_000);
  assert.equal(ids(), "a");
});

test("leases are renewed while a job runs; one that is lost aborts it", async () => {
  const { add, worker, clock, running, renewals, loseLeases } = bench();
  add("a");
  worker.wake();
  await clock.advance(LEASE);
  assert.ok(renewals.length >= 3, `${renewals.length} renewals in the span of a lease`);
  const { signal } = running.get("a")!.lease;
  assert.equal(signal.aborted, false);
  loseLeases();
  await clock.advance(LEASE / 3);
  assert.equal(signal.aborted, true);
});

test("a job whose lease ran out while it ran goes on under the new claim, once", async () => {
  const { due, worker, clock, running, jobs, ids, loseLeases } = bench();
  due.push({ id: "a", at: clock.now() });
  worker.wake();
  await clock.advance(0);
  due.push({ id: "a", at: clock.now() });
  worker.wake();
  await clock.advance(0);
  assert.equal(running.size, 1);
  assert.deepEqual(
    jobs.map(({ claim }) => claim),
    ["2", "2"],
    "the running job knows of its newest claim",
  );
  loseLeases(); // this run settles it: the claim stands no longer
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(ids(), "");
});

test("a job that had settled and is wanted again before its run ended is run again", async () => {
  const { due, worker, clock, running, ids } = bench();
  due.push({ id: "a", at: clock.now() });
  worker.wake();
  await clock.advance(0);
  due.push({ id: "a", at: clock.now() });
  worker.wake();
  await clock.advance(0);
  const first = running.get("a");
  first?.end();
  await clock.advance(0);
  assert.equal(ids(), "a");
  assert.notEqual(running.get("a"), first);
});

test("stopping claims nothing more, waits for what runs, and aborts it after the grace", async () => {
  const { add, worker, clock, running, ids } = bench();
  add("a", "b", "c");
  worker.wake();
  await clock.advance(0);
  const { signal } = running.get("b")!.lease;
  let stopped = false;
  const stopping = worker.stop(1_000).then(() => {
    stopped = true;
  });
  running.get("a")?.end();
  await clock.advance(999);
  assert.deepEqual([ids(), stopped, signal.aborted], ["b", false, false]);
  await clock.advance(1);
  await stopping;
  assert.deepEqual([ids(), signal.aborted], ["", true]);
});

test("a slot is held for a job that comes with what enqueued it, where nothing else is due", async () => {
  const { add, worker, clock, ids, running, claims } = bench();
  assert.equal(worker.hold(), null, "it has not looked yet");
  await clock.advance(0);
  const first = worker.hold();
  const second = worker.hold();
  assert.ok(first && second);
  assert.equal(worker.hold(), null, "all slots are held");
  await first({ id: "a", claim: "1" } as Job);
  assert.equal(ids(), "a");
  await second(null);
  assert.ok(worker.hold(), "one that was not used is free again");

  add("b", "c");
  worker.wake();
  assert.equal(worker.hold(), null, "another may be due");
  const looked = claims.length;
  await clock.advance(0);
  assert.deepEqual(claims.slice(looked), [], "no slot is free: one runs, one is held");
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(ids(), "b");
});

test("what was claimed ahead is given back when a job recalls it", async () => {
  const at = bench(2, { claimsAhead: true });
  const { add, worker, clock, ids, running, renewals } = at;
  await at.beQuick();
  add("a", "b", "c", "d");
  worker.wake();
  await clock.advance(0);
  assert.equal(ids(), "ab");
  running.get("a")?.lease.recall?.();
  running.get("a")?.end();
  await clock.advance(0);
  assert.equal(ids(), "b");
  assert.deepEqual(renewals, ["c", "d"]);
});

test("a job that waited ahead for too long is due at once when it has been given back", async () => {
  const given: { done?: () => void } = {};
  const at = bench(2, { claimsAhead: true }, async () => {
    await new Promise<void>((resolve) => {
      given.done = resolve;
    });
    return true;
  });
  const { add, worker, clock, ids, running, claims } = at;
  await at.beQuick();
  add("a", "b", "c");
  worker.wake();
  await clock.advance(0);
  await clock.advance(2_000);
  running.get("a")?.end();
  await clock.advance(0);
  const before = claims.length;
  add("c");
  given.done?.();
  await clock.advance(0);
  assert.equal(ids(), "bc");
  assert.ok(claims.length > before);
});

test("what comes due while all slots are held begins when one is free again", async () => {
  const { add, due, worker, clock, ids } = bench(1);
  await clock.advance(0);
  const woken = worker.hold()!;
  add("a");
  worker.wake();
  await clock.advance(0);
  assert.equal(ids(), "", "the slot is held");
  woken(null);
  await clock.advance(0);
  assert.equal(ids(), "a");

  const timed = bench(1);
  timed.due.push({ id: "b", at: timed.clock.now() + 1_000 });
  await timed.clock.advance(0);
  const over = timed.worker.hold()!;
  await timed.clock.advance(1_000);
  over(null);
  await timed.clock.advance(0);
  assert.equal(timed.ids(), "b");
  assert.equal(due.length, 0);
});

test("a job that comes after its worker has stopped is given back", async () => {
  const { worker, clock, ids, renewals } = bench();
  await clock.advance(0);
  const hold = worker.hold();
  await worker.stop(0);
  await hold?.({ id: "late", claim: "1" } as Job);
  assert.deepEqual([ids(), renewals], ["", ["late"]]);
  assert.equal(worker.hold(), null);
});

test("quick jobs are claimed ahead of their slots, begin at once when one is free, and are given back at a stop", async () => {
  const at = bench(2, { claimsAhead: true });
  const { add, worker, clock, ids, running, claims, renewals } = at;
  await at.beQuick();
  add("a", "b", "c", "d", "e");
  worker.wake();
  await clock.advance(0);
  assert.equal(ids(), "ab");
  assert.equal(claims.at(-1), 4, "two slots, and two ahead");
  const before = claims.length;
  running.get("a")?.lease.yieldSlot();
  assert.equal(ids(), "abc", "it waits for no claim");
  assert.equal(claims.length, before);
  const stopped = worker.stop(0);
  await clock.advance(0);
  await stopped;
  assert.ok(renewals.includes("d"), "what has not begun is given back");
});

test("a claim that did not look at all that is due is made again at once", async () => {
  let looks = 0;
  const { clock, ids } = bench(1, {
    async claim({ now }) {
      looks++;
      if (looks < 3) return { jobs: [], nextDue: now, isMore: true };
      return { jobs: looks === 3 ? [{ id: "a", claim: "1" } as Job] : [], nextDue: null };
    },
  });
  await clock.advance(0);
  assert.equal(ids(), "a");
});

test("on a shared store a job ends before its lease does where that cannot be renewed; alone it goes on", async () => {
  const cannot = async () => {
    throw new Error("the store is in trouble");
  };
  for (const isShared of [true, false]) {
    const { add, worker, clock, running } = bench(2, {}, cannot, isShared);
    add("a");
    worker.wake();
    await clock.advance(LEASE / 2);
    const { signal } = running.get("a")!.lease;
    assert.equal(signal.aborted, false);
    await clock.advance(LEASE / 2 - 1_000);
    assert.equal(signal.aborted, isShared);
  }
});

test("on a shared store a renewal that takes long makes a lease no longer", async () => {
  let asked = 0;
  const { add, worker, clock, running } = bench(2, {}, () => (asked++ === 0 ? slow() : new Promise(() => {})), true);
  const slow = () => new Promise<boolean>((resolve) => clock.after(LEASE / 3, () => resolve(true)));
  add("a");
  worker.wake();
  // It is asked for after a third, and answered after two.
  await clock.advance(LEASE + 1_000);
  const { signal } = running.get("a")!.lease;
  assert.equal(signal.aborted, false);
  await clock.advance(LEASE / 3 - 2_000);
  assert.equal(signal.aborted, true);
});

test("on a shared store a job whose claim took as long as its lease is not begun, but given back", async () => {
  for (const isShared of [true, false]) {
    const given: number[] = [];
    const renew = async (_: Job, leaseFor: number) => {
      given.push(leaseFor);
      return true;
    };
    const claim = async () => {
      await new Promise<void>((resolve) => clock.after(LEASE - 1_000, resolve));
      return { jobs: [{ id: "a", claim: "1" } as Job], nextDue: null };
    };
    const { worker, clock, ids } = bench(2, { claim }, renew, isShared);
    worker.wake();
    await clock.advance(LEASE - 1_000);
    assert.equal(ids(), isShared ? "" : "a");
    assert.deepEqual(given, isShared ? [0] : []);
  }
});
