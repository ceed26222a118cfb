import assert from "node:assert/strict";
import type { TaskFilter, TaskWish } from "../../src/model/task.ts";
import { endpoint } from "../support/config.ts";
import { claimTask, LEASE, makeTask, workTask } from "../support/tasks.ts";
import { type Bench, checker, draft, type OpenStore, plain, ready, remove } from "./store.ts";

const MINUTE = 60_000;

const retry = (filter: TaskFilter): TaskWish => ({ verb: "retry", filter });
const cancel = (filter: TaskFilter): TaskWish => ({ verb: "cancel", filter });
const replay = (filter: TaskFilter, more: Partial<TaskWish> = {}): TaskWish => ({ verb: "replay", filter, ...more });

/** What every store engine must do with work on many rows, in the words of CONTRACT ("Many at once"). */
export function storeTasksContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "dead deliveries are retried oldest event first, a replay at its event's place, in pieces",
    async (at) => {
      const { store, clock } = at;
      const events = await deadOnes(at, 5);
      const again = await store.replay(events[1]!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await allDie(at);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now(), 2);
      const { items, task } = await workTask(store, id, clock.now);
      const own = (await deliveriesOf(at)).filter((one) => !one.replay).map((one) => one.id);
      own.splice(2, 0, again.id);
      assert.deepEqual(
        items.map((one) => one.id),
        own,
      );
      assert.deepEqual([task.state, task.total, task.done, task.failed, task.skipped], ["done", 6, 6, 0, 0]);
      assert.deepEqual(new Set((await deliveriesOf(at)).map((one) => one.state)), new Set(["pending"]));
      assert.deepEqual(
        (await deliveriesOf(at)).map((one) => one.attempts),
        [0, 0, 0, 0, 0, 0],
      );
    },
    plain({ retry: ["1s"] }),
  );

  check(
    "a task takes nothing newer than itself, and skips what has changed since it was made",
    async (at) => {
      const { store, clock } = at;
      const [first, , third] = await deadOnes(at, 3);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now());
      const [one, , three] = (await deliveriesOf(at)).map((delivery) => delivery.id);
      // Retried by hand and dead again; replayed with success; dead only now.
      await store.retryDelivery(one!, clock.now());
      await allDie(at);
      await store.replay(third!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      for (const job of await at.claim()) await at.deliver(job);
      await deadOnes(at, 1, "late");
      const { task, items } = await workTask(store, id, clock.now);
      assert.deepEqual([task.state, task.total, task.done, task.skipped], ["done", 3, 1, 2]);
      assert.deepEqual(items.length, 1);
      assert.equal((await store.delivery(three!)).state, "superseded");
      assert.deepEqual(
        (await deliveriesOf(at)).map((delivery) => delivery.state),
        [...["dead", "pending", "superseded", "delivered", "dead"]],
      );
      assert.ok(first);
    },
    plain({ retry: ["1s"] }),
  );

  check(
    "what changes between the look and the work is skipped",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 2);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now());
      const job = await claimTask(store, id, clock.now());
      const piece = await store.taskPiece(id);
      assert.equal(piece.items.length, 2);
      await store.retryDelivery(piece.items[0]!.id, clock.now());
      const [retried] = await at.claim();
      await at.die(retried!);
      await store.workTask(job, piece, LEASE, clock.now());
      const { done, skipped } = await store.task(id);
      assert.deepEqual([done, skipped], [1, 1]);
      assert.equal((await store.delivery(retried!.id)).state, "dead");
    },
    plain(),
  );

  check(
    "canceled is newest first, so that no lane is released on the way",
    async (at) => {
      const { store, clock, post, claim } = at;
      for (let nth = 0; nth < 5; nth++) await post(draft("v1", { nth }));
      const [running] = await claim();
      await store.replay(running!.eventId, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      const id = await makeTask(store, cancel({ endpoint: "cms" }), clock.now(), 1);
      const newer = await store.replay(running!.eventId, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      const order: string[] = (await deliveriesOf(at)).map((delivery) => delivery.id);
      assert.equal(order.pop(), newer.id);
      const replayed = order.pop()!;
      order.splice(1, 0, replayed);
      const { items, task } = await workTask(store, id, clock.now, async () => assert.deepEqual(await claim(), []));
      assert.deepEqual(
        items.map((one) => one.id),
        order.reverse(),
      );
      assert.deepEqual([task.done, task.skipped], [6, 0]);
      await at.fail(running!);
      const states = (await deliveriesOf(at)).map(({ state }) => state);
      assert.deepEqual(states, ["canceled", "canceled", "canceled", "canceled", "canceled", "canceled", "pending"]);
      assert.deepEqual(
        (await claim()).map((job) => job.id),
        [newer.id],
      );
    },
    plain(),
  );

  check(
    "one task of a verb runs at a time: a second is refused with the id of the first, another verb is not",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 1);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now());
      const second = store.createTask({ ...retry({}), by: "test", rate: null, leaseFor: LEASE }, clock.now());
      await assert.rejects(second, (error: Error & { code: string }) => {
        assert.equal(error.code, "task_running");
        assert.match(error.message, new RegExp(`^${id} has not ended, .* see "tasks show ${id}"$`));
        return true;
      });
      const wish = { ...cancel({ endpoint: "cms" }), by: "test", rate: null, leaseFor: LEASE };
      const counted = await store.createTask(wish, clock.now());
      assert.equal((await store.task(counted.id)).countingUntil, clock.now() + LEASE);
      await clock.advance(LEASE - 1_500);
      const third = store.createTask(wish, clock.now());
      await assert.rejects(third, {
        message: new RegExp(`^${counted.id} .*; it is counted, and given up in 2 s where`),
      });
      await store.cancelTask(counted.id, "test", clock.now());
      assert.equal((await store.task(counted.id)).countingUntil, null);
      await makeTask(store, cancel({ endpoint: "cms" }), clock.now());
      await workTask(store, id, clock.now);
      await makeTask(store, retry({ endpoint: "cms" }), clock.now());
      assert.deepEqual(
        (await store.tasks({ limit: 9 })).map(({ verb, state }) => [verb, state]),
        [
          ["retry", "queued"],
          ["cancel", "queued"],
          ["cancel", "canceled"],
          ["retry", "done"],
        ],
      );
      assert.equal((await store.tasks({ limit: 9, verb: "retry", state: "queued" })).length, 1);
      assert.equal((await store.tasks({ limit: 9, verb: "retry", states: ["done", "queued"] })).length, 2);
      assert.equal((await store.tasks({ limit: 9, states: ["done", "failed"] })).length, 1);
    },
    plain(),
  );

  check(
    "exactly one works a task: a claim holds until its lease ends, and who has lost it does nothing",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 4);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now(), 1);
      const old = await claimTask(store, id, clock.now());
      assert.equal((await store.workTask(old, await store.taskPiece(id), LEASE, clock.now())).isOurs, true);
      const late = await store.taskPiece(id);
      const { job, nextDue } = await store.claimTask({ now: clock.now(), leaseFor: LEASE });
      assert.deepEqual([job, nextDue], [null, clock.now() + LEASE]);
      await clock.advance(LEASE);
      const next = await claimTask(store, id, clock.now());
      assert.notEqual(next.claim, old.claim);
      assert.equal((await store.workTask(old, late, LEASE, clock.now())).isOurs, false);
      assert.equal(await store.renewTask(old, LEASE), false);
      assert.equal((await store.task(id)).done, 1);
      assert.equal((await store.workTask(next, late, LEASE, clock.now())).isOurs, true);
      // The same piece once more was done already.
      assert.equal((await store.workTask(next, late, LEASE, clock.now())).isOurs, false);
      assert.equal((await store.task(id)).done, 2);
      await store.renewTask(next, 0);
      const { task } = await workTask(store, id, clock.now);
      assert.deepEqual([task.state, task.done, task.failed], ["done", 4, 0]);
      assert.deepEqual(await store.claimTask({ now: clock.now(), leaseFor: LEASE }), { job: null, nextDue: null });
    },
    plain(),
  );

  check(
    "a task survives a restart, which frees its lease, and goes on where it was",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 3);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now(), 1);
      const job = await claimTask(store, id, clock.now());
      await store.workTask(job, await store.taskPiece(id), LEASE, clock.now());
      await store.close();
      const again = await at.reopen();
      try {
        await again.freeLeases(clock.now());
        const { items, task } = await workTask(again, id, clock.now);
        assert.deepEqual([items.length, task.done, task.total, task.state], [2, 3, 3, "done"]);
      } finally {
        await again.close();
      }
    },
    plain(),
  );

  check(
    "one that is canceled stops where it is, and what was done stays",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 3);
      const id = await makeTask(store, retry({ endpoint: "cms" }), clock.now(), 1);
      const job = await claimTask(store, id, clock.now());
      await store.workTask(job, await store.taskPiece(id), LEASE, clock.now());
      await store.cancelTask(id, "canceled by the operator", clock.now());
      assert.equal((await store.workTask(job, await store.taskPiece(id), LEASE, clock.now())).isOurs, false);
      const { state, done, skipped, endedAt, error } = await store.task(id);
      assert.deepEqual(
        [state, done, skipped, endedAt, error],
        [...["canceled", 1, 0, clock.now(), "canceled by the operator"]],
      );
      assert.deepEqual(
        (await deliveriesOf(at)).map((one) => one.state),
        ["pending", "dead", "dead"],
      );
      await assert.rejects(store.cancelTask(id, "again", clock.now()), { code: "conflict" });
      await assert.rejects(store.cancelTask("tsk_nothing", "x", clock.now()), { code: "not_found" });
    },
    plain(),
  );

  check(
    "what was not confirmed is never worked, and given up when the next one comes",
    async (at) => {
      const { store, clock } = at;
      await deadOnes(at, 1);
      const wish = { ...retry({ endpoint: "cms" }), by: "test", rate: null, leaseFor: LEASE };
      const { id } = await store.createTask(wish, clock.now());
      assert.equal((await store.claimTask({ now: clock.now(), leaseFor: LEASE })).job, null);
      await clock.advance(LEASE - 1);
      assert.equal(await store.renewTask({ id, claim: null }, LEASE), true);
      await clock.advance(1);
      await assert.rejects(store.createTask(wish, clock.now()), { code: "task_running" });
      await clock.advance(LEASE);
      assert.equal((await store.claimTask({ now: clock.now(), leaseFor: LEASE })).job, null);
      const next = await store.createTask(wish, clock.now());
      await assert.rejects(store.confirmTask(id, 1), { code: "conflict" });
      assert.equal((await store.task(id)).state, "canceled");
      await store.confirmTask(next.id, 1);
      await assert.rejects(store.confirmTask(next.id, 1), { code: "conflict" });
    },
    plain(),
  );

  check(
    "what matches is counted, by endpoint and with its first and last time, as it is done then",
    async (at) => {
      const { store, clock, post } = at;
      const begun = clock.now();
      for (const type of ["draft.new", "video.ready", "draft.exit"]) {
        await post(JSON.stringify({ type, wochitVideoId: "v1", videoContext: "page" }));
        await clock.advance(MINUTE);
      }
      const wish = replay({ videoId: "v1" });
      const { count, oldest, newest, videos, sample, byEndpoint, next } = await store.countMatching(wish, null);
      const first = (await store.events({ limit: 9 })).at(-1)!.id;
      assert.deepEqual([videos.length, sample[0], sample.length], [1, first, 4]);
      assert.deepEqual([count, oldest, newest, next], [4, begun, begun + 2 * MINUTE, null]);
      assert.deepEqual(byEndpoint, { cms: 3, archive: 1 });
      const counts = async (filter: TaskFilter) => (await store.countMatching(replay(filter), null)).count;
      assert.equal(await counts({ endpoint: "cms" }), 3);
      assert.equal(await counts({ types: ["draft.*"] }), 2);
      assert.equal(await counts({ types: ["draft.new", "video.ready"] }), 3);
      assert.equal(await counts({ since: begun + MINUTE }), 3);
      assert.equal(await counts({ until: begun + MINUTE }), 1);
      assert.equal(await counts({ since: begun + MINUTE, until: begun + MINUTE }), 0);
      assert.equal(await counts({ videoId: "v2" }), 0);
      assert.equal(await counts({ context: "page" }), 4);
      assert.equal(await counts({ context: "other" }), 0);
      await assert.rejects(counts({ endpoint: "nowhere" }), { code: "not_found" });
      const id = await makeTask(store, wish, clock.now(), 1);
      const { items, task } = await workTask(store, id, clock.now);
      assert.equal(task.done, 4);
      assert.deepEqual(
        items.map((one) => one.endpoint),
        ["cms", "cms", "archive", "cms"],
      );
      assert.equal((await deliveriesOf(at)).filter((one) => one.replay).length, 4);
      // The replays are newer than a task that was made before them, and no events.
      assert.equal(await counts({ videoId: "v1" }), 4);
    },
    TWO,
  );

  check(
    "only the dead: where the newest delivery is, and was when the task was made",
    async (at) => {
      const { store, clock } = at;
      const [first, second, third] = await deadOnes(at, 4);
      const fourth = (await deliveriesOf(at)).at(-1)!;
      const count = async () => (await store.countMatching(replay({}, { onlyDead: true }), null)).count;
      assert.equal(await count(), 4);
      await store.replay(first!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      for (const job of await at.claim()) await at.deliver(job);
      assert.equal(await count(), 3);
      const id = await makeTask(store, replay({}, { onlyDead: true }), clock.now(), 1);
      // Retried by hand, and dead again.
      await store.retryDelivery(fourth.id, clock.now());
      await allDie(at);
      await store.replay(second!, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      const { items, task } = await workTask(store, id, clock.now);
      assert.deepEqual([items.map((one) => one.id), task.done, task.skipped], [[third], 1, 2]);
    },
    plain(),
  );

  check(
    "a replay under a new id has one of task and event, the same at each endpoint",
    async (at) => {
      const { store, clock, post } = at;
      const events = [await post(ready("v1")), await post(ready("v2"))].map(({ id }) => id);
      const sent = async () => {
        const names: [string, string, string][] = [];
        for (const id of ["cms", "archive"]) {
          const wish = { endpoint: id, now: clock.now(), limit: 99, leaseFor: LEASE };
          for (const job of (await store.claimDeliveries(wish)).jobs) {
            names.push([id, job.eventId, job.messageId]);
            await at.deliver(job);
          }
        }
        return names;
      };
      await sent();
      const task = async () => {
        await workTask(store, await makeTask(store, replay({ since: 0 }, { newId: true }), clock.now()), clock.now);
        return sent();
      };
      const [one, two] = [await task(), await task()];
      for (const names of [one, two]) {
        const of = (event: string) => [...new Set(names.filter(([, id]) => id === event).map(([, , name]) => name))];
        assert.equal(names.length, 4);
        assert.deepEqual(
          events.map((id) => of(id).length),
          [1, 1],
        );
        assert.notDeepEqual(of(events[0]!), of(events[1]!));
      }
      const all = new Set([...one, ...two].map(([, , name]) => name));
      assert.equal(all.size, 4);
      for (const id of events) assert.ok(!all.has(id));
    },
    { endpoints: [endpoint("cms", { send: "immediately" }), endpoint("archive", { send: "immediately" })] },
  );

  check(
    "what cannot be replayed because its body is gone counts as failed, and the others go on",
    async (at) => {
      const { store, clock, post } = at;
      await post(remove("v1"));
      const { id: other } = await post(remove("v2"));
      await store.forgetVideo("v1", clock.now());
      const id = await makeTask(store, replay({ since: 0 }), clock.now());
      const { task } = await workTask(store, id, clock.now);
      assert.deepEqual([task.state, task.done, task.failed, task.skipped], ["done", 1, 1, 0]);
      assert.match(task.error!, /^evt_\w+: the body of evt_\w+ has been pruned, or erased$/);
      assert.deepEqual(
        (await deliveriesOf(at)).filter((one) => one.replay).map((one) => one.eventId),
        [other],
      );
    },
    plain(),
  );

  check(
    "the state of a delivery is that of when the task was made; what runs counts as what it came from",
    async (at) => {
      const { store, clock, post, claim } = at;
      for (const video of ["v1", "v2", "v3"]) await post(remove(video));
      const [ran] = await claimSome(at, 1);
      const count = async (state: NonNullable<TaskFilter["state"]>) =>
        (await store.countMatching(cancel({ state }), null)).count;
      assert.deepEqual([await count("pending"), await count("running"), await count("waiting")], [2, 1, 0]);
      await clock.advance(1);
      const id = await makeTask(store, cancel({ state: "pending" }), clock.now());
      await clock.advance(1);
      // Those two are being attempted by now.
      const running = await claim();
      const { task, items } = await workTask(store, id, clock.now);
      assert.equal(running.length, 2);
      assert.deepEqual([task.done, task.total], [2, 2]);
      assert.ok(items.every((one) => one.id !== ran!.id));
      for (const job of [...running, ran!]) await at.fail(job);
      assert.deepEqual(
        (await deliveriesOf(at)).map((one) => one.state),
        ["pending", "canceled", "canceled"],
      );
    },
    plain(),
  );

  check(
    "refused bodies are taken in oldest first, and leave the quarantine with that; what is no event stays",
    async (at) => {
      const { store, clock } = at;
      const keep = (text: string) =>
        store.quarantine({
          ...{ receivedAt: clock.now(), sourceAddress: "192.0.2.9", reason: "source" },
          body: Buffer.from(text),
        });
      await keep(remove("v1"));
      const broken = await keep("{");
      await keep(draft("v1"));
      const wish = { verb: "reprocess", filter: { reason: "source" } } as const;
      assert.equal((await store.countMatching(wish, null)).count, 3);
      const id = await makeTask(store, wish, clock.now(), 2);
      await keep(remove("v2"));
      const { task } = await workTask(store, id, clock.now);
      assert.deepEqual([task.state, task.done, task.failed, task.total], ["done", 2, 1, 3]);
      assert.match(task.error!, new RegExp(`^${broken.id}: `));
      const events = await store.events({ limit: 9 });
      assert.deepEqual(
        events.map(({ type, sequence, late }) => [type, sequence, late]),
        [
          ["draft.update", 2, true],
          ["video.delete", 1, true],
        ],
      );
      assert.equal((await store.quarantined({ limit: 9 })).length, 2);
    },
    plain(),
  );

  check(
    "refused bodies of one address are listed, counted and taken in by themselves",
    async (at) => {
      const { store, clock } = at;
      const keep = (sourceAddress: string, videoId: string) =>
        store.quarantine({
          ...{ receivedAt: clock.now(), sourceAddress, reason: "source" },
          body: Buffer.from(remove(videoId)),
        });
      const moved = [await keep("203.0.113.7", "v1"), await keep("203.0.113.7", "v2")];
      const { id: other } = await keep("203.0.113.70", "v3");
      const listed = await store.quarantined({ limit: 9, source: "203.0.113.7" });
      assert.deepEqual(
        listed.map(({ id }) => id).reverse(),
        moved.map(({ id }) => id),
      );
      const wish = { verb: "reprocess", filter: { source: "203.0.113.7" } } as const;
      const { task } = await workTask(store, await makeTask(store, wish, clock.now()), clock.now);
      assert.deepEqual([task.total, task.done], [2, 2]);
      assert.deepEqual(
        (await store.quarantined({ limit: 9 })).map(({ id }) => id),
        [other],
      );
    },
    plain(),
  );

  check(
    "refused bodies are listed, counted and taken in by the video and the context that they name",
    async (at) => {
      const { store, clock } = at;
      const ids = new Map<string, string>();
      for (const [videoId, context] of [
        ["v1", "page-1"],
        ["v1", null],
        ["v2", "page-1"],
        ["v3", null],
      ] as const) {
        const body = Buffer.from(draft(videoId, { videoContext: context }));
        const event = { videoId, type: "draft.update", context };
        const refusal = { receivedAt: clock.now(), sourceAddress: "203.0.113.7", reason: "source" as const };
        ids.set((await store.quarantine({ ...refusal, body, event })).id, `${videoId} ${context}`);
      }
      await store.quarantine({
        receivedAt: clock.now(),
        sourceAddress: "203.0.113.7",
        reason: "path",
        body: Buffer.from("{"),
      });
      const found = async (filter: { videoId?: string; context?: string }) => {
        const listed = (await store.quarantined({ limit: 9, ...filter })).map(({ id }) => ids.get(id));
        const { count } = await store.countListed({ list: "quarantine", filter });
        const matching = await store.countMatching({ verb: "reprocess", filter }, null);
        assert.deepEqual([count, matching.count], [listed.length, listed.length]);
        return listed.reverse();
      };
      assert.deepEqual(await found({ videoId: "v1" }), ["v1 page-1", "v1 null"]);
      assert.deepEqual(await found({ context: "page-1" }), ["v1 page-1", "v2 page-1"]);
      assert.deepEqual(await found({ videoId: "v2", context: "page-1" }), ["v2 page-1"]);
      assert.deepEqual(await found({ videoId: "none" }), []);
    },
    plain(),
  );

  check(
    "few among many are found, in parts that end",
    async (at) => {
      const { store, clock, post } = at;
      const many = Array.from({ length: 2_500 }, (_, nth) => nth);
      await Promise.all(many.map((nth) => post(remove(`v${nth}`))));
      const jobs = await claimSome(at, 5_000);
      const dies = (nth: number) => nth % 1_000 === 7;
      await Promise.all(jobs.map((job, nth) => (dies(nth) ? at.die(job) : at.deliver(job))));
      const counts: number[] = [];
      let from: string | null = null;
      do {
        const part: Awaited<ReturnType<typeof store.countMatching>> = await store.countMatching(
          retry({ since: 0 }),
          from,
        );
        counts.push(part.count);
        from = part.next;
      } while (from !== null);
      assert.equal(
        counts.reduce((sum, one) => sum + one, 0),
        3,
      );
      const { task, items } = await workTask(
        store,
        await makeTask(store, retry({ since: 0 }), clock.now(), 2),
        clock.now,
      );
      assert.deepEqual([task.done, items.length], [3, 3]);
      const canceled = await makeTask(store, cancel({ since: 0 }), clock.now(), 2);
      assert.equal((await workTask(store, canceled, clock.now)).task.done, 3);
    },
    plain(),
  );

  check(
    "a count that takes several parts has each delivery once, from either end",
    async (at) => {
      const { store, post } = at;
      const many = Array.from({ length: 1_700 }, (_, nth) => nth);
      await Promise.all(many.map((nth) => post(remove(`v${nth}`))));
      const running = await claimSome(at, 5);
      const listed = await deliveriesOf(at);
      const counted = async (wish: TaskWish) => {
        const videos = new Set<number>();
        const byEndpoint: Record<string, number> = {};
        let parts = 0;
        let first: string | undefined;
        for (let from: string | null = null; parts === 0 || from !== null; parts++) {
          const part: Awaited<ReturnType<typeof store.countMatching>> = await store.countMatching(wish, from);
          for (const one of part.videos) videos.add(one);
          for (const [id, some] of Object.entries(part.byEndpoint)) byEndpoint[id] = (byEndpoint[id] ?? 0) + some;
          first ??= part.sample[0];
          from = part.next;
        }
        return { videos: videos.size, byEndpoint, first, hasParts: parts > 1 };
      };
      const all = { videos: 1_700, hasParts: true };
      const ofEach = (cms: number) => ({ cms, archive: 1_700 });
      assert.deepEqual(await counted(cancel({ since: 0 })), {
        ...{ ...all, byEndpoint: ofEach(1_700), first: listed.at(-1)!.id },
      });
      const pending = listed.filter(({ state }) => state === "pending");
      assert.deepEqual(await counted(retry({ state: "pending" })), {
        ...{ ...all, byEndpoint: ofEach(1_700 - running.length), first: pending[0]!.id },
      });
    },
    TWO,
  );

  check(
    "deliveries are narrowed down by event, video, endpoint and time",
    async (at) => {
      const { store, clock, post } = at;
      const begun = clock.now();
      const first = await post(ready("v1"));
      await clock.advance(MINUTE);
      await post(ready("v2"));
      await store.replay(first.id, { endpoint: "archive", ordered: true, newId: false }, clock.now());
      const count = async (filter: TaskFilter) => (await store.countMatching(cancel(filter), null)).count;
      assert.equal(await count({ eventId: first.id }), 3);
      assert.equal(await count({ eventId: first.id, endpoint: "archive" }), 2);
      assert.equal(await count({ videoId: "v2" }), 2);
      assert.equal(await count({ videoId: "v3" }), 0);
      assert.equal(await count({ endpoint: "cms" }), 2);
      assert.equal(await count({ since: begun + MINUTE }), 3);
      assert.equal(await count({ until: begun + MINUTE }), 2);
      assert.equal(await count({ until: begun + MINUTE, videoId: "v2" }), 0);
      const { task } = await workTask(
        store,
        await makeTask(store, cancel({ eventId: first.id }), clock.now()),
        clock.now,
      );
      assert.equal(task.done, 3);
      assert.equal(await count({ since: 0 }), 2);
    },
    { endpoints: [endpoint("cms", { send: "immediately" }), endpoint("archive", { send: "immediately" })] },
  );
}

const TWO = {
  endpoints: [
    endpoint("cms", { send: "immediately" }),
    endpoint("archive", { send: "immediately", events: ["video.*"] }),
  ],
};

/** All deliveries, in order of their making. */
const deliveriesOf = async ({ store }: Bench) => (await store.deliveries({ limit: 9_999 })).reverse();

const claimSome = async ({ store, clock }: Bench, limit: number) =>
  (await store.claimDeliveries({ endpoint: "cms", now: clock.now(), limit, leaseFor: LEASE })).jobs;

async function allDie(at: Bench): Promise<void> {
  for (let jobs = await at.claim(); jobs.length > 0; jobs = await at.claim()) {
    for (const job of jobs) await at.die(job);
  }
}

/** Events whose deliveries have died; their ids. */
async function deadOnes(at: Bench, count: number, video = "v"): Promise<string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < count; nth++) ids.push((await at.post(remove(`${video}${nth}`))).id);
  await allDie(at);
  return ids;
}
