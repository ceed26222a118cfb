import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type TestContext, test } from "node:test";
import { forgetVideo } from "../../../src/actions/videos.ts";
import { openStore } from "../../../src/store/open.ts";
import { realPorts } from "../../support/real-ports.ts";
import { openSeeded, ready } from "../../support/seeded.ts";
import { finish, spawnCli } from "../../support/spawn.ts";
import { waitFor } from "../../support/wait.ts";

const EVENTS = 2_500;

/** A video of many events, none of them delivered, in a database that a relay has open; and a way to erase it beside that. */
async function openLarge(t: Pick<TestContext, "after">) {
  const seeded = await openSeeded(t, { mirror: { enabled: true } });
  const { take, config, store } = seeded;
  const titles = Array.from({ length: EVENTS }, (_, n) => ({
    type: "draft.update",
    wochitVideoId: "v1",
    title: `t${n}`,
  }));
  await take(ready("v1", { videoUrl: "https://cdn.example.com/a.mp4", thumbnailUrl: "https://cdn.example.com/0.jpg" }));
  await Promise.all(titles.map((event) => take(event)));
  await take(ready("v2"));
  const operator = await openStore(config, realPorts(), { role: "operator" });
  t.after(() => operator.close());
  const ids = (await store.events({ limit: EVENTS * 2, videoId: "v1" })).map(({ id }) => id);
  const waiting = () => store.deliveries({ limit: EVENTS * 2, videoId: "v1", state: "pending" });
  /** How many bodies of the video are still there; of one event in so many. */
  async function bodies(oneIn = 1): Promise<number> {
    const some = ids.filter((_, n) => n % oneIn === 0);
    const looked = await Promise.allSettled(some.map((id) => store.eventBody(id)));
    return looked.filter(({ status }) => status === "fulfilled").length;
  }
  return { ...seeded, operator, ids, waiting, bodies };
}

const claimWish = () => ({ endpoint: "app", now: Date.now(), limit: 1_000, leaseFor: 30_000 });

test("a large video is erased in pieces, between which events are taken in; a new one of the same video stays", async (t) => {
  const { operator, store, take, bodies, waiting, ids } = await openLarge(t);
  let isDone = false;
  const forgotten = forgetVideo(operator, "v1", Date.now()).finally(() => {
    isDone = true;
  });
  const seen: { bodies: number; waiting: number }[] = [];
  let fresh: string | null = null;
  for (let n = 0; !isDone; n++) {
    await take(ready(`other-${n}`));
    seen.push({ bodies: await bodies(25), waiting: (await waiting()).length });
    if (fresh === null && seen.at(-1)!.waiting < EVENTS) fresh = await take(ready("v1", { title: "fresh" }));
  }
  const { events, media, copies } = await forgotten;
  assert.deepEqual({ events, media, copies }, { events: EVENTS + 1, media: 2, copies: 0 });
  assert.ok(new Set(seen.map((each) => each.waiting)).size > 3, JSON.stringify(seen));
  assert.ok(new Set(seen.map((each) => each.bodies)).size > 3, JSON.stringify(seen));

  assert.equal(await bodies(), 0);
  assert.match(String(await store.eventBody(fresh!)), /fresh/);
  const video = await store.video("v1");
  assert.deepEqual([video.title, video.context, video.state], ["fresh", "context of v1", "ready"]);
  const mine = (await store.claimDeliveries(claimWish())).jobs.filter(({ videoId }) => videoId === "v1");
  assert.deepEqual(
    mine.map(({ eventId }) => eventId),
    [fresh],
  );
  assert.equal(ids.length, EVENTS + 1);
});

test("an erasure that was killed stops all of the video's deliveries, and the same command goes on with it", async (t) => {
  /** One that was killed before its end. Of one that was quicker nothing is to be seen: once more. */
  const killed = async () => {
    for (;;) {
      const large = await openLarge(t);
      const command = ["videos", "forget", "v1", "--yes", "--json", "--config", large.configPath];
      const child = spawnCli(command);
      const ended = finish(child);
      const canceled = () => large.store.deliveries({ limit: 1, videoId: "v1", state: "canceled" });
      await waitFor(async () => (await canceled()).length > 0);
      child.kill("SIGKILL");
      await ended;
      if ((await large.bodies()) > 0) return { ...large, command };
    }
  };
  const { operator, store, bodies, waiting, command } = await killed();
  const all = EVENTS + 1;
  const begun = await store.video("v1");
  assert.deepEqual([begun.title, begun.context, begun.forgottenAt], [null, null, null]);
  const sent = (await store.claimDeliveries(claimWish())).jobs;
  assert.deepEqual([...new Set(sent.map(({ videoId }) => videoId))], ["v2"]);

  const { code, stdout } = await finish(spawnCli(command));
  assert.equal(code, 0);
  const { events, media, forgottenAt } = JSON.parse(stdout);
  assert.deepEqual([events, media], [all, 2]);
  assert.equal((await store.video("v1")).forgottenAt, Date.parse(forgottenAt));
  assert.deepEqual([await bodies(), (await waiting()).length], [0, 0]);
  await assert.rejects(forgetVideo(operator, "v1", Date.now()), { code: "conflict" });
});

test("an erasure of what came since an earlier one that was cut off is gone on with", async (t) => {
  const { store, config, take } = await openSeeded(t);
  await take(ready("v1"));
  await forgetVideo(store, "v1", Date.now());
  const events = Array.from({ length: 600 }, (_, n) => ({ type: "draft.update", wochitVideoId: "v1", title: `t${n}` }));
  await Promise.all(events.map((event) => take(event)));
  const real = realPorts();
  let isCut = false;
  // It never comes to its second piece of deliveries.
  const clock = {
    ...real.clock,
    after() {
      isCut = true;
      return () => {};
    },
  };
  const cut = await openStore(config, { ...real, clock }, { role: "operator" });
  t.after(() => cut.close());
  void forgetVideo(cut, "v1", Date.now());
  await waitFor(() => isCut);
  const begun = await store.video("v1");
  assert.deepEqual([begun.title, begun.state, begun.forgottenAt !== null], [null, "deleted", true]);

  assert.equal((await forgetVideo(store, "v1", Date.now())).events, 601);
  assert.equal((await store.deliveries({ limit: 1, videoId: "v1", state: "pending" })).length, 0);
  const left = await store.events({ limit: 700, videoId: "v1" });
  const bodies = await Promise.allSettled(left.map(({ id }) => store.eventBody(id)));
  assert.deepEqual([...new Set(bodies.map(({ status }) => status))], ["rejected"]);
  await assert.rejects(forgetVideo(store, "v1", Date.now()), { code: "conflict" });
});

test("refused bodies of a video are found among more than are looked through at once", async (t) => {
  const { store } = await openSeeded(t);
  const refuse = (body: string) =>
    store.quarantine({ receivedAt: Date.now(), sourceAddress: "192.0.2.1", reason: "source", body: Buffer.from(body) });
  for (let n = 0; n < 300; n++) await refuse(JSON.stringify({ wochitVideoId: n % 100 === 99 ? "v1" : "v2", n }));
  assert.equal((await forgetVideo(store, "v1", Date.now())).refused, 3);
  assert.equal((await store.quarantined({ limit: 400 })).length, 297);
  await assert.rejects(forgetVideo(store, "v1", Date.now()), { code: "not_found" });
});
