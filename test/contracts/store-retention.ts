import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { codeOf } from "../../src/errors.ts";
import { addPruned, nothingPruned, type Pruned } from "../../src/model/retention.ts";
import type { Video } from "../../src/model/video.ts";
import type { Store } from "../../src/store/store.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts, testRandom } from "../support/ports.ts";
import { isWhole } from "../support/whole.ts";
import { type Bench, checker, draft, type OpenStore, plain, ready, remove, video } from "./store.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What every store engine must do to prune, in the words of CONTRACT ("Retention"). */
export function storeRetentionContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a body goes ninety days after its event has settled, with its attempts; the event and its outcome stay",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(remove("v1"));
      clock.set(clock.now() + DAY);
      const [job] = await at.claim();
      await at.deliver(job!);
      const settledAt = clock.now();
      const before = await store.event(id);
      clock.set(settledAt + 90 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      clock.set(settledAt + 90 * DAY + 1);
      assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 1, attempts: 1 });
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      assert.deepEqual(await store.event(id), before);
      await assert.rejects(store.eventBody(id), { code: "body_expired" });
      const delivery = await store.delivery(job!.id);
      assert.deepEqual([delivery.state, delivery.attempts, delivery.attemptLog], ["delivered", 1, []]);
      assert.deepEqual(
        (await store.events({ limit: 9 })).map((event) => event.id),
        [id],
      );
      const again = store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await assert.rejects(again, { code: "body_expired" });
    },
  );

  check("entries of the audit and hourly tallies are kept for 400 days, whatever the config says", async (at) => {
    const { store, clock } = at;
    const actor = { through: "cli", by: "uid 7" } as const;
    const subjects = async () => (await store.audit({ limit: 999 })).map(({ subject }) => subject);
    const hours = async () => (await store.tallies({ kind: "received", since: 0 })).length;
    const note = (subject: string) => store.noteDeed(actor, { verb: "prune", subject, count: null, outcome: "done" });
    const start = clock.now();
    for (let hour = 0; hour < 30; hour++) {
      clock.set(start + hour * HOUR);
      await at.post(remove(`v${hour}`));
      await note(`${hour}`);
    }
    clock.set(start + 400 * DAY);
    await pruneAll(at);
    assert.deepEqual([(await subjects()).length, await hours()], [30, 30]);
    clock.set(start + 400 * DAY + 28 * HOUR + 1);
    const pieces = await prunePieces(at, { limit: 10 });
    assert.ok(pieces.length > 3, "in pieces");
    assert.deepEqual([await subjects(), await hours()], [["29"], 2]);
    const before = await store.changeMark();
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    assert.equal(await store.changeMark(), before);
  });

  for (const when of ["at first", "when they are looked at again"]) {
    check(`a piece takes few large bodies, ${when}`, async (at) => {
      const { clock, post } = at;
      const large = (nth: number) => JSON.stringify({ ...JSON.parse(remove(`v${nth}`)), pad: "x".repeat(600_000) });
      for (let nth = 0; nth < 4; nth++) await post(large(nth));
      if (when !== "at first") {
        clock.set(clock.now() + 100 * DAY);
        assert.deepEqual(rows(await pruneAll(at)), NOTHING, "they still wait");
      }
      for (const job of await at.claim()) await at.deliver(job);
      clock.set(clock.now() + 91 * DAY);
      const largest = Math.max(...(await prunePieces(at, { limit: 100 })).map(({ bodies }) => bodies.rows));
      assert.equal(largest, 1);
    });
  }

  check(
    "what waits for its app keeps body and attempts, however long, and for ninety days after its end",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(remove("v1"));
      for (let nth = 0; nth < 3; nth++) {
        const [job] = await at.claim();
        await at.fail(job!);
        clock.set(clock.now() + 200 * DAY);
        assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      }
      const [job] = await at.claim();
      assert.deepEqual(rows(await pruneAll(at)), NOTHING, "it runs");
      assert.equal((await store.eventBody(id)).length, job!.bytes);
      assert.equal((await store.delivery(job!.id)).attemptLog.length, 3);
      await at.deliver(job!);
      clock.set(clock.now() + 31 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, attempts: 3 });
      assert.deepEqual(
        (await store.delivery(job!.id)).attemptLog.map(({ status }) => status),
        [200],
      );
      clock.set(clock.now() + 58 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      clock.set(clock.now() + 2 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, attempts: 1, bodies: 1 });
    },
    plain({ retry: ["1h", "1h", "1h", "1h"] }),
  );

  check(
    "an event whose media are on their way has not settled",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(video("v1", "https://cdn.example.com/v1.mp4"));
      for (const job of await at.claim()) await at.deliver(job);
      clock.set(clock.now() + 100 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      const [download] = await at.download();
      await at.spool(download!);
      clock.set(clock.now() + 100 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), NOTHING, "its file is in the spool, and not in the target");
      const target = await store.targetId({ type: "local", dir: "/media" });
      const [upload] = await at.upload();
      await store.settleUpload(upload!, { is: "mirrored", target, key: "v1/video.mp4" }, clock.now());
      clock.set(clock.now() + 89 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
      clock.set(clock.now() + 2 * DAY);
      const pruned = rows(await pruneAll(at));
      assert.equal(pruned.bodies, 1);
      assert.deepEqual(
        (await store.eventMedia(id)).map(({ state }) => state),
        ["mirrored"],
      );
      assert.equal((await store.mediumByKey("v1/video.mp4"))?.eventId, id);
    },
    { endpoints: [endpoint("cms", { send: "immediately" })], mirror: { enabled: true } },
  );

  check("a replay keeps the body of its event until it has ended", async (at) => {
    const { store, clock, post } = at;
    const { id } = await post(remove("v1"));
    for (const job of await at.claim()) await at.deliver(job);
    clock.set(clock.now() + 89 * DAY);
    const { id: replay } = await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
    clock.set(clock.now() + 30 * DAY);
    assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    for (const job of await at.claim()) await at.deliver(job);
    clock.set(clock.now() + 91 * DAY);
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 1, attempts: 2 });
    assert.deepEqual((await store.delivery(replay)).attemptLog, []);
  });

  check("a dead delivery is pruned like any that has ended, and then cannot be retried", async (at) => {
    const { store, clock, post } = at;
    await post(remove("v1"));
    const [job] = await at.claim();
    await at.die(job!);
    clock.set(clock.now() + 89 * DAY);
    await pruneAll(at);
    await store.retryDelivery(job!.id, clock.now());
    const [again] = await at.claim();
    await at.die(again!);
    clock.set(clock.now() + 91 * DAY);
    assert.equal(rows(await pruneAll(at)).bodies, 1);
    await assert.rejects(store.retryDelivery(job!.id, clock.now()), {
      code: "body_expired",
      message: new RegExp(job!.id),
    });
    assert.equal((await store.delivery(job!.id)).state, "dead");
  });

  check("of a delivery that is retried after its attempts were pruned the new ones are pruned too", async (at) => {
    const { store, clock, post } = at;
    await post(remove("v1"));
    const [job] = await at.claim();
    await at.die(job!);
    clock.set(clock.now() + 40 * DAY);
    await pruneAll(at);
    await store.retryDelivery(job!.id, clock.now());
    for (let nth = 0; nth < 2; nth++) {
      const [one] = await at.claim();
      await at.die(one!);
      if (nth === 0) await store.retryDelivery(job!.id, clock.now());
    }
    clock.set(clock.now() + 31 * DAY);
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, attempts: 2 });
    assert.equal((await store.delivery(job!.id)).attemptLog.length, 1);
  });

  check(
    "a settled autosave goes whole, but for the newest of its video; its id answers that it was pruned",
    async (at) => {
      const { store, clock, post } = at;
      await post(draft("v1", { type: "draft.new", videoContext: "a" }));
      const saves: string[] = [];
      for (let nth = 0; nth < 4; nth++) {
        saves.push((await post(draft("v1", { videoContext: "a", nth }))).id);
        clock.set(clock.now() + HOUR);
      }
      const sent = await drain(at);
      const shown = await store.video("v1");
      clock.set(clock.now() + 91 * DAY);
      const pruned = await pruneAll(at);
      assert.deepEqual(rows(pruned), { bodies: 2, autosaves: 3, duplicates: 0, attempts: 5 });
      assert.ok(pruned.autosaves.bytes > 100);
      assert.equal((await store.counts()).events, 2);
      assert.deepEqual(
        (await store.events({ limit: 9 })).map(({ type, sequence }) => [type, sequence]),
        [
          ["draft.update", 5],
          ["draft.new", 1],
        ],
      );
      assert.deepEqual(await store.video("v1"), shown);
      for (const gone of [
        () => store.event(saves[0]!),
        () => store.eventBody(saves[1]!),
        () => store.eventMedia(saves[2]!),
        () => store.replay(saves[0]!, { endpoint: "cms", ordered: true, newId: false }, clock.now()),
        () => store.delivery(sent[1]!),
        () => store.retryDelivery(sent[2]!, clock.now()),
      ])
        await assert.rejects(gone(), { code: "body_expired", message: /pruned/ });
      // What is newer than all that went, and what no store has given.
      const other = (await post(remove("v2"))).id;
      const never = other.replace(
        /^evt_(.{11})/,
        (_, digits) => `evt_${(Number.parseInt(digits, 32) + 99).toString(32).padStart(11, "0")}`,
      );
      await assert.rejects(store.event(never), { code: "not_found" });
      await assert.rejects(store.event("evt_00000000001"), { code: "not_found" });
      await assert.rejects(store.event("evt_nonsense"), { code: "not_found" });
    },
  );

  check("the autosave that was the newest goes when a newer one has expired", async (at) => {
    const { store, clock, post } = at;
    const first = (await post(draft("v1"))).id;
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 1, attempts: 1 });
    assert.equal((await store.event(first)).type, "draft.update");
    const second = (await post(draft("v1"))).id;
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    assert.deepEqual(rows(await pruneAll(at)), { ...NOTHING, bodies: 1, autosaves: 1, attempts: 1 });
    await assert.rejects(store.event(first), { code: "body_expired" });
    assert.equal((await store.event(second)).sequence, 2);
  });

  check("which video belonged to which context is known as before, also when it is told anew", async (at) => {
    const { store, clock, post } = at;
    for (const videoContext of ["a", "a", "a", "b", "b", "b", "b", "a", null, "a", null]) {
      await post(draft("v1", { videoContext }));
      clock.set(clock.now() + HOUR);
    }
    await drain(at);
    const shown = await store.video("v1");
    clock.set(clock.now() + 91 * DAY);
    await pruneAll(at);
    assert.deepEqual(await store.video("v1"), shown);
    // An import has the history told anew from what is left.
    await store.importContexts([{ videoId: "v1", context: "older" }], { override: false }, clock.now());
    const { context, contextHistory, state } = await store.video("v1");
    assert.deepEqual([context, state], [shown.context, shown.state]);
    assert.deepEqual(
      contextHistory.map((one) => one.context),
      ["older", ...shown.contextHistory.map((one) => one.context)],
    );
    assert.deepEqual(
      contextHistory.slice(1).map(({ since }) => since),
      shown.contextHistory.map(({ since }) => since),
    );
  });

  check(
    "a repeated event is a duplicate of one without a body, too, and brings none",
    async (at) => {
      const { store, clock, post } = at;
      const { id } = await post(remove("v1"));
      await post(remove("v1"));
      await drain(at);
      clock.set(clock.now() + 91 * DAY);
      assert.deepEqual(rows(await pruneAll(at)), { bodies: 1, autosaves: 0, duplicates: 1, attempts: 1 });
      assert.deepEqual(await post(remove("v1")).then(({ id, status }) => [id, status]), [id, "duplicate"]);
      assert.equal((await store.event(id)).duplicates, 2);
      await assert.rejects(store.eventBody(id), { code: "body_expired" });
      assert.deepEqual(rows(await pruneAll(at)), NOTHING);
    },
    { ...plain(), receive: { dedupeWindow: "365d" } },
  );

  for (const when of ["at first", "when it is looked at again"]) {
    check(
      `of an event that was repeated often a piece takes few repetitions and bytes, ${when}; its body goes last`,
      async (at) => {
        const { store, clock, post } = at;
        const repeat = async (text: string, times: number) => {
          const { id } = await post(text);
          for (let nth = 0; nth < times; nth++) assert.equal((await post(text)).status, "duplicate");
          return id;
        };
        const large = JSON.stringify({ ...JSON.parse(remove("large")), pad: "x".repeat(600_000) });
        await repeat(large, 4);
        const small = await repeat(remove("small"), 7);
        await post(remove("other"));
        if (when !== "at first") {
          clock.set(clock.now() + 100 * DAY);
          assert.deepEqual(rows(await pruneAll(at)), NOTHING, "they still wait");
        }
        await drain(at);
        clock.set(clock.now() + 91 * DAY);
        const counted = await count(at);
        assert.deepEqual(rows(counted), { bodies: 3, autosaves: 0, duplicates: 11, attempts: 3 });
        const pieces = await prunePieces(at, { limit: 3 });
        const all = nothingPruned();
        for (const piece of pieces) addPruned(all, piece);
        assert.deepEqual(all, counted);
        assert.deepEqual(
          pieces
            .map(rows)
            .map(({ duplicates, bodies }) => [duplicates, bodies])
            .filter(([duplicates, bodies]) => duplicates! + bodies! > 0),
          [
            ...[1, 1, 1].map((one) => [one, 0]),
            // The last large one, and its body; of the small ones so many as there is still room for.
            [3, 1],
            [3, 0],
            [2, 2],
          ],
        );
        assert.equal((await store.event(small)).duplicates, 7, "they are still counted");
        await assert.rejects(store.eventBody(small), { code: "body_expired" });
      },
      plain(),
    );
  }

  check("repetitions that are pruned in part go on after a restart", async (at) => {
    const { store, clock, post } = at;
    for (let nth = 0; nth < 6; nth++) await post(remove("v1"));
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    const first = await store.prune({ ...EXPIRY(clock.now()), limit: 2, by: "test", leaseFor: 1 }, clock.now());
    assert.deepEqual([first?.duplicates.rows, first?.bodies.rows, first?.isMore], [2, 0, true]);
    await store.close();
    const reopened = await at.reopen();
    const rest = await pruneAll({ ...at, store: reopened });
    assert.deepEqual(rows(rest), { bodies: 1, autosaves: 0, duplicates: 3, attempts: 1 });
    await reopened.close();
  });

  check("readings of the room are kept over a restart, with what the copies have", async (at) => {
    const { post, store, clock, download, settle } = at;
    assert.deepEqual(await store.readings(), []);
    const first = { at: clock.now(), pruned: 3, database: 1_000 };
    await store.noteReading(first);
    await post(video("v1", "https://cdn.example.com/v.mp4"));
    await settle((await download())[0]!, "v1/video.mp4", { bytes: 70 });
    const second = { at: clock.now() + DAY, pruned: 0, database: 900 };
    await store.noteReading(second);
    await store.close();
    const reopened = await at.reopen();
    assert.deepEqual(await reopened.readings(), [
      { ...first, copies: 0 },
      { ...second, copies: 70 },
    ]);
    await reopened.close();
  });

  check("a video whose events were pruned is forgotten as any other", async (at) => {
    const { store, clock, post } = at;
    const { id } = await post(ready("v1", { videoContext: "a" }));
    for (let nth = 0; nth < 3; nth++) await post(draft("v1", { videoContext: "a", nth }));
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    await pruneAll(at);
    await post(draft("v1", { videoContext: "a" }));
    const { events } = await store.forgetVideo("v1", clock.now());
    assert.equal(events, 3);
    assert.equal((await store.event(id)).context, null);
    assert.equal((await store.video("v1")).context, null);
    clock.set(clock.now() + 91 * DAY);
    await pruneAll(at);
    assert.equal((await store.video("v1")).forgottenAt !== null, true);
    await assert.rejects(store.forgetVideo("v1", clock.now()), { code: "conflict" });
  });

  check("a video that is forgotten twice at once is forgotten", async (at) => {
    const { store, clock, post } = at;
    const { id } = await post(ready("v1", { videoContext: "a" }));
    await drain(at);
    const forget = () => store.forgetVideo("v1", clock.now());
    for (const { events } of await Promise.all([forget(), forget(), forget()])) assert.equal(events, 1);
    assert.equal((await store.event(id)).context, null);
    await assert.rejects(forget(), { code: "conflict" }, "nothing of it is under way");
  });

  check(
    "a medium that an autosave announced is downloaded again when that is gone",
    async (at) => {
      const { store, clock, post } = at;
      await post(draft("v1", { thumbnailUrl: "https://cdn.example.com/a.jpg" }));
      const [download] = await at.download();
      await store.settleDownload(download!, { is: "failed", error: "HTTP 404", expired: false } as never, clock.now());
      const { id } = (await store.media({ limit: 1 }))[0]!;
      const announcedAt = clock.now();
      clock.set(clock.now() + HOUR);
      await post(draft("v1"));
      await post(draft("v1"));
      await drain(at);
      clock.set(clock.now() + 91 * DAY);
      assert.ok(rows(await pruneAll(at)).autosaves > 0);
      await store.retryMedium(id, clock.now());
      const [again] = await at.download();
      assert.equal(again?.receivedAt, announcedAt);
    },
    { endpoints: [endpoint("cms", { send: "immediately" })], mirror: { enabled: true } },
  );

  test(`${engine}: whatever comes, a video is known as if nothing had been pruned`, async (t) => {
    for (let seed = 1; seed <= (isWhole ? 100 : 10); seed++) await playBeside(t, openStore, seed);
  });

  check("a reader of the feed goes on behind what was pruned", async (at) => {
    const { store, clock, post } = at;
    const ids: string[] = [];
    for (let nth = 0; nth < 6; nth++) ids.push((await post(draft("v1", { nth }))).id);
    await drain(at);
    const first = await store.feed({ after: "oldest", limit: 2 });
    clock.set(clock.now() + 91 * DAY);
    await pruneAll(at);
    const { events } = await store.feed({ after: { position: first.position }, limit: 9 });
    assert.deepEqual(
      events.map(({ event }) => event.id),
      ids.slice(-1),
    );
    const all = await store.feed({ after: "oldest", limit: 9, bodies: 1_000 });
    assert.deepEqual(
      all.events.map(({ event, parts }) => [event.id, parts?.body]),
      [[ids[5], null]],
    );
  });

  check("one at a time prunes, until it has been silent for its lease, or another takes over", async (at) => {
    const { store, clock, post } = at;
    for (let nth = 0; nth < 6; nth++) await post(remove(`v${nth}`));
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    const one = (by: string, more = {}) =>
      store.prune({ ...EXPIRY(clock.now()), limit: 1, by, leaseFor: 30_000, ...more }, clock.now());
    assert.equal((await one("first"))?.isMore, true);
    assert.equal(await one("second"), null);
    assert.equal((await one("first"))?.bodies.rows, 1);
    clock.set(clock.now() + 30_000);
    assert.equal((await one("second"))?.bodies.rows, 1);
    assert.equal(await one("first"), null);
    assert.equal((await one("first", { takes: true }))?.bodies.rows, 1);
    assert.equal(await one("second"), null);
    await pruneAll(at, { by: "first" });
    assert.equal((await one("second"))?.isMore, false, "the first has found nothing more");
    for (let nth = 0; nth < 3; nth++) await post(remove(`w${nth}`));
    await drain(at);
    clock.set(clock.now() + 91 * DAY);
    await one("first");
    assert.equal(await one("second"), null);
    await store.freeLeases(clock.now());
    assert.equal((await one("second"))?.bodies.rows, 1, "a start has ended the turn of the process before it");
  });

  check(
    "what would be pruned is counted without pruning it, in pieces or in one",
    async (at) => {
      const { clock, post } = at;
      for (let nth = 0; nth < 5; nth++) {
        await post(draft("v1", { videoContext: "a", nth }));
        await post(ready(`v${nth}`, { videoContext: "a" }));
        await post(ready(`v${nth}`, { videoContext: "a" }));
      }
      const [failing] = await at.claim();
      await at.fail(failing!);
      await drain(at);
      clock.set(clock.now() + HOUR);
      await drain(at);
      clock.set(clock.now() + 35 * DAY);
      await post(remove("late"));
      assert.deepEqual(rows(await count(at)), { ...NOTHING, attempts: 1 });
      clock.set(clock.now() + 56 * DAY);
      const counted = await count(at);
      assert.deepEqual(await count(at), counted);
      assert.deepEqual(await pruneAll(at, { limit: 2 }), counted);
      assert.deepEqual(rows(counted), { bodies: 7, autosaves: 3, duplicates: 5, attempts: 11 });
      assert.deepEqual(rows(await count(at)), NOTHING);
    },
    plain(),
  );

  check("the oldest body that may be there is known by its time, and how much room the store takes", async (at) => {
    const { store, clock, post } = at;
    assert.equal(await store.oldestBody(), null);
    const first = clock.now();
    await post(remove("v1"));
    clock.set(first + 2 * DAY);
    await post(remove("v2"));
    await drain(at);
    assert.equal(await store.oldestBody(), first);
    clock.set(first + 91 * DAY);
    await pruneAll(at);
    assert.equal(await store.oldestBody(), first + 2 * DAY);
    const { bytes, free } = await store.space();
    assert.ok(bytes > 4096 && free >= 0 && free < bytes);
    await store.giveBack(free);
    assert.ok((await store.space()).bytes <= bytes);
  });
}

const NOTHING = { bodies: 0, autosaves: 0, duplicates: 0, attempts: 0 };

const rows = (pruned: Pruned) =>
  Object.fromEntries(Object.entries(pruned).map(([kind, { rows }]) => [kind, rows])) as typeof NOTHING;

const EXPIRY = (now: number) => ({ bodies: now - 90 * DAY, attempts: now - 30 * DAY });

/** Prunes until nothing is left. */
async function pruneAll(at: Bench, how?: { limit?: number; by?: string }): Promise<Pruned> {
  const all = nothingPruned();
  for (const piece of await prunePieces(at, how)) addPruned(all, piece);
  return all;
}

async function prunePieces({ store, clock }: Bench, { limit = 3, by = "test" } = {}): Promise<Pruned[]> {
  const pieces = [];
  for (;;) {
    const piece = await store.prune({ ...EXPIRY(clock.now()), limit, by, leaseFor: 30_000 }, clock.now());
    assert.ok(piece);
    pieces.push(piece);
    if (!piece.isMore) return pieces;
  }
}

async function count({ store, clock }: Bench): Promise<Pruned> {
  const all = nothingPruned();
  for (let from: string | null = null; ; ) {
    const { next, ...part }: Awaited<ReturnType<typeof store.countPrunable>> = await store.countPrunable(
      EXPIRY(clock.now()),
      from,
    );
    addPruned(all, part);
    if (next === null) return all;
    from = next;
  }
}

/** Mirrors and delivers all that waits; returns the deliveries, the first one first. */
async function drain(at: Bench): Promise<string[]> {
  const ids: string[] = [];
  for (const job of await at.download()) await at.settle(job, `${job.mediumId}.bin`);
  for (;;) {
    const jobs = await at.claim();
    if (jobs.length === 0) return ids;
    for (const job of jobs) {
      await at.deliver(job);
      ids.push(job.id);
    }
  }
}

/**
 * Plays the same events on two stores, of which one prunes: late ones, imports, erasures too. After each step both know the
 * same of the video.
 */
async function playBeside(t: TestContext, openStore: OpenStore, seed: number): Promise<void> {
  const { float } = testRandom(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(float() * list.length)]!;
  const clock = testClock();
  const stores = await Promise.all(
    [0, 1].map(() => openStore(configIn(tempFolder(t), { endpoints: [] }), testPorts(clock))),
  );
  const steps: string[] = [];
  // Contexts that late events, or imports that are the newest, came between may be told as one: then each counts once, the
  // newest first, as in bodies.
  const hasLate = seed % 2 === 0;
  const told = ({ contextHistory, ...video }: Video) => ({
    ...video,
    contexts: hasLate ? [...new Set(contextHistory.map((one) => one.context).reverse())] : contextHistory,
  });
  const known = (store: Store) => store.video("v").then(told, codeOf);
  for (let nth = 0; nth < 40; nth++) {
    clock.set(clock.now() + one([0, 1, HOUR, DAY]));
    const type = one(["draft.update", "draft.update", "draft.update", "draft.new", "draft.delete", "video.ready"]);
    const videoContext = one(["a", "a", "b", null]);
    const late = hasLate && float() < 0.25;
    const receivedAt = late ? clock.now() - one([HOUR, 5 * DAY, 100 * DAY]) : clock.now();
    const failure = float() < 0.05 ? { errorMessage: "no" } : {};
    const body = Buffer.from(JSON.stringify({ type, wochitVideoId: "v", videoContext, title: `${nth}`, ...failure }));
    const what = float();
    const override = hasLate && float() < 0.5;
    steps.push(
      what < 0.06 ? `import ${videoContext} ${override}` : what < 0.08 ? "forget" : `${type} ${videoContext} ${late}`,
    );
    for (const store of stores) {
      if (what < 0.06)
        await store.importContexts([{ videoId: "v", context: videoContext ?? "c" }], { override }, clock.now());
      else if (what < 0.08) await store.forgetVideo("v", clock.now()).catch(() => {});
      else await store.accept({ receivedAt, sourceAddress: "192.0.2.1", body, late });
    }
    if (float() < 0.4) {
      steps.push("prune");
      const edge = clock.now() - one([0, HOUR, DAY]);
      const wish = { bodies: edge, attempts: edge, limit: 3, by: "test", leaseFor: 1 };
      while ((await stores[1]!.prune(wish, clock.now()))?.isMore);
    }
    const [mine, theirs] = await Promise.all(stores.map(known));
    assert.deepEqual(theirs, mine, `seed ${seed}: ${steps.join(", ")}`);
  }
  const counts = await Promise.all(stores.map(async (store) => (await store.events({ limit: 99 })).length));
  assert.ok(counts[1]! <= counts[0]!);
  for (const store of stores) await store.close();
}
