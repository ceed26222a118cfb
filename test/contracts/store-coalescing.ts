import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import { endpoint } from "../support/config.ts";
import { type Bench, checker, draft, type OpenStore, plain, remove } from "./store.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;

/** One endpoint for which newer autosaves supersede older ones; it waits an hour between attempts. */
const coalesced = (more: Record<string, unknown> = {}) =>
  plain({ coalesce: ["draft.update"], retry: ["1h", "1h", "1h"], ...more });

/** What every store engine must do with deliveries that others take the place of, in the words of CONTRACT ("Coalescing"). */
export function storeCoalescingContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a newer event of a type that is coalesced supersedes those of its video that wait, and no others",
    async (at) => {
      const { post, claim, store, clock, seqs } = at;
      await post(remove("v1"));
      const [head] = await claim();
      const exit = JSON.stringify({ type: "draft.exit", wochitVideoId: "v1" });
      for (const body of [draft("v1"), exit, draft("v1"), draft("v2"), draft("v1")]) await post(body);
      assert.deepEqual(await states(at), [
        ["v1", "running"],
        ["v1", "superseded"],
        ["v1", "pending"],
        ["v1", "superseded"],
        ["v2", "pending"],
        ["v1", "pending"],
      ]);
      const [newest, , second, , first] = await store.deliveries({ limit: 9 });
      assert.deepEqual([first?.supersededBy, second?.supersededBy], [second?.id, newest?.id]);
      assert.deepEqual([newest?.supersededBy, second?.nextAttemptAt, second?.waitsFor], [null, null, null]);
      await assert.rejects(store.retryDelivery(first!.id, clock.now()), { code: "conflict" });
      await assert.rejects(store.cancelDelivery(first!.id, clock.now()), { code: "conflict" });
      assert.equal((await store.event(first!.eventId)).status, "settled");
      await at.deliver(head!);
      assert.deepEqual(seqs(await claim()), ["v1#3", "v2#1"]);
    },
    coalesced(),
  );

  check(
    "one that ran when a newer one came is superseded by it when it fails, and not when it is delivered",
    async (at) => {
      const { post, claim, deliver, fail, store, clock, seqs } = at;
      await post(draft("v1"));
      const [first] = await claim();
      await post(draft("v1"));
      const [second] = await store.deliveries({ limit: 1 });
      assert.equal((await store.delivery(first!.id)).state, "running");
      const { state, nextAttemptAt } = await fail(first!);
      assert.deepEqual([state, nextAttemptAt], ["superseded", null]);
      assert.equal((await store.delivery(first!.id)).supersededBy, second!.id);
      const now = await store.delivery(second!.id);
      assert.deepEqual([now.attempts, now.nextAttemptAt], [0, clock.now() + HOUR], "the endpoint is to be left alone");

      await clock.advance(HOUR);
      const [running] = await claim();
      await post(draft("v1"));
      assert.equal((await deliver(running!)).state, "delivered");
      assert.deepEqual(seqs(await claim()), ["v1#3"]);
    },
    coalesced(),
  );

  check(
    "it takes over the next attempt of one that failed because of the endpoint; after an answer of the event's own it is due now",
    async (at) => {
      const { post, claim, fail, store, clock } = at;
      const newest = async () => (await store.deliveries({ limit: 1 }))[0]?.nextAttemptAt;
      for (const video of ["v1", "v2"]) await post(draft(video));
      const [one, two] = await claim();
      await fail(one!, 503);
      await fail(two!, 422);
      const due = clock.now() + HOUR;
      await clock.advance(10 * SECOND);
      await post(draft("v1"));
      assert.equal(await newest(), due);
      await post(draft("v2"));
      assert.equal(await newest(), clock.now());
      await clock.advance(SECOND);
      await post(draft("v2"));
      assert.equal(await newest(), clock.now() - SECOND, "a stream of them cannot put itself off");
    },
    coalesced(),
  );

  check(
    "it takes over the waits been through, so that its lane is not held for longer; its attempts are its own",
    async ({ post, claim, fail, store, clock, seqs }) => {
      await post(draft("v1"));
      await fail((await claim())[0]!);
      await clock.advance(HOUR);
      await fail((await claim())[0]!);
      await post(draft("v1"));
      await post(remove("v1"));
      await clock.advance(HOUR);
      const [newer, ...none] = await claim();
      assert.deepEqual([seqs([newer!]), none], [["v1#2"], []]);
      await fail(newer!);
      assert.deepEqual(seqs(await claim()), ["v1#3"], "it has stepped aside");
      const { attempts, attemptsLeft } = await store.delivery(newer!.id);
      assert.deepEqual([attempts, attemptsLeft], [1, 3]);
    },
    coalesced({ laneHold: "2h" }),
  );

  check(
    "a late event supersedes nothing, and takes over from none that fails",
    async (at) => {
      const { post, claim, fail, store, clock } = at;
      const late = (video: string) => {
        const received = { receivedAt: clock.now() - 1, sourceAddress: "192.0.2.1", body: Buffer.from(draft(video)) };
        return store.accept({ ...received, late: true });
      };
      await post(draft("v1"));
      const [running] = await claim();
      await post(draft("v2"));
      for (const video of ["v1", "v2"]) await late(video);
      assert.equal((await fail(running!)).state, "pending");
      assert.deepEqual(await states(at), [
        ["v1", "pending"],
        ["v2", "pending"],
        ["v1", "pending"],
        ["v2", "pending"],
      ]);
    },
    coalesced(),
  );

  check(
    "a replay is not superseded",
    async (at) => {
      const { post, claim, deliver, store, clock } = at;
      const { id } = await post(draft("v1"));
      await deliver((await claim())[0]!);
      await store.replay(id, { endpoint: "cms", ordered: true, newId: false }, clock.now());
      await post(draft("v1"));
      assert.deepEqual(
        (await states(at)).map(([, state]) => state),
        ["delivered", "pending", "pending"],
      );
    },
    coalesced(),
  );

  check(
    "its gate opens when the earliest of theirs would have",
    async ({ post, claim, store, clock, seqs }) => {
      const picture = (name: string) => draft("v1", { thumbnailUrl: `https://media.example/${name}.jpg` });
      await post(picture("a"));
      const opensAt = clock.now() + 30 * SECOND;
      for (const name of ["b", "c"]) {
        await clock.advance(10 * SECOND);
        await post(picture(name));
        const [{ state, nextAttemptAt, waitsFor } = assert.fail()] = await store.deliveries({ limit: 1 });
        assert.deepEqual([state, nextAttemptAt, waitsFor?.is], ["waiting", opensAt, "gate"]);
      }
      assert.deepEqual(await claim(), []);
      await clock.advance(10 * SECOND);
      const [job] = await claim();
      assert.deepEqual(seqs([job!]), ["v1#3"]);

      await post(picture("d"));
      const [waiting] = await store.deliveries({ limit: 1 });
      assert.equal(waiting?.state, "waiting", "that of the one that runs is no gate of its own");
    },
    GATED,
  );

  check(
    "where the gate of one of them was open, its own is",
    async ({ post, claim, deliver, store, clock, seqs }) => {
      await post(remove("v1"));
      const [head] = await claim();
      await post(draft("v1"));
      await post(draft("v1", { thumbnailUrl: "https://media.example/a.jpg" }));
      const [{ state, waitsFor, gate } = assert.fail()] = await store.deliveries({ limit: 1 });
      assert.deepEqual([state, waitsFor?.is, gate], ["pending", "lane", { openedAt: clock.now(), by: "settled" }]);
      await deliver(head!);
      assert.deepEqual(seqs(await claim()), ["v1#3"]);
    },
    GATED,
  );

  check(
    "what of an erased video was superseded stays so, and nothing of it is sent",
    async (at) => {
      const { post, claim, store, clock } = at;
      for (let n = 0; n < 3; n++) await post(draft("v1"));
      await store.forgetVideo("v1", clock.now());
      assert.deepEqual(
        (await states(at)).map(([, state]) => state),
        ["superseded", "superseded", "canceled"],
      );
      assert.deepEqual(await claim(), []);
    },
    coalesced(),
  );

  check(
    "when a replay is delivered the dead deliveries of its event are superseded by it, and one that would die later",
    async (at) => {
      const { post, claim, deliver, die, store, clock } = at;
      const { id } = await post(remove("v1"));
      await post(remove("v2"));
      const [own, other] = await claim();
      await die(own!);
      await die(other!);
      const again = await replay(at, id);
      await die((await claim())[0]!);
      assert.equal((await store.event(id)).status, "dead");
      const third = await replay(at, id);
      assert.equal((await deliver((await claim())[0]!)).state, "delivered");
      for (const dead of [own!.id, again]) {
        const { state, supersededBy } = await store.delivery(dead);
        assert.deepEqual([state, supersededBy], ["superseded", third]);
      }
      assert.equal((await store.event(id)).status, "settled");
      assert.equal((await store.delivery(other!.id)).state, "dead", "of another event");

      const fourth = await replay(at, id);
      const { state, nextAttemptAt, feeds } = await die((await claim())[0]!);
      assert.deepEqual([state, nextAttemptAt, feeds], ["superseded", null, []]);
      assert.equal((await store.delivery(fourth)).supersededBy, third);
      await assert.rejects(store.retryDelivery(fourth, clock.now()), { code: "conflict" });
    },
    plain(),
  );

  check(
    "when and why a gate opened is kept",
    async ({ post, claim, download, settle, store, clock }) => {
      const gate = async () => (await store.deliveries({ limit: 1 }))[0]?.gate;
      const film = (video: string) =>
        post(JSON.stringify({ type: "video.ready", wochitVideoId: video, videoUrl: `https://media.example/${video}` }));
      await film("v1");
      assert.equal(await gate(), null);
      await clock.advance(SECOND);
      await settle((await download())[0]!, "v1/video.mp4");
      assert.deepEqual(await gate(), { openedAt: clock.now(), by: "settled" });
      await film("v2");
      const [waiting] = await store.deliveries({ limit: 1 });
      await clock.advance(SECOND);
      await post(remove("v2"));
      assert.deepEqual((await store.delivery(waiting!.id)).gate, { openedAt: clock.now(), by: "delete" });
      await film("v3");
      await clock.advance(HOUR);
      await claim();
      assert.deepEqual(await gate(), { openedAt: clock.now(), by: "maxWait" });
      await post(draft("v4", { thumbnailUrl: "https://media.example/v4.jpg" }));
      await clock.advance(30 * SECOND);
      await claim();
      assert.deepEqual(await gate(), { openedAt: clock.now(), by: "thumbnail" });
    },
    { endpoints: [endpoint("cms")] },
  );
}

/** The same, of an endpoint that waits for media. */
const GATED: ConfigInput = { endpoints: [endpoint("cms", { coalesce: ["draft.update"], retry: ["1h"] })] };

/** Video and state of each delivery, the first made first. */
async function states({ store }: Bench) {
  return (await store.deliveries({ limit: 9 })).reverse().map(({ videoId, state }) => [videoId, state]);
}

async function replay({ store, clock }: Bench, event: string): Promise<string> {
  return (await store.replay(event, { endpoint: "cms", ordered: true, newId: false }, clock.now())).id;
}
