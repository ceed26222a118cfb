import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { auditedStore } from "../../../src/store/access/audited.ts";
import type { Store } from "../../../src/store/store.ts";
import { draft, ready, remove } from "../../contracts/store.ts";
import { noPostgres } from "../../support/postgres.ts";
import { found, openStores as open, warned } from "../../support/postgres-epochs.ts";
import { makeTask } from "../../support/tasks.ts";
import { waitFor } from "../../support/wait.ts";

const skip = noPostgres;

const AMY = { through: "api", by: "amy" } as const;
const BOB = { through: "cli", by: "bob" } as const;
const NOTE = { host: "one", version: "1", config: "c", mirrors: false, startedAt: 1 };

const DONE = /what operators had decided: it is done again/;
const UNDONE = /what an operator had decided, and it cannot be done again/;

/** Two relays on one database, which are asked by operators. */
async function openStores(t: TestContext) {
  const { stores, clock, open: openAnother, ...database } = await open(t, 2);
  const [one, other] = stores.map((bench) => ({ ...bench, asked: auditedStore(bench.store, AMY) }));
  const paused = async () => {
    const [state] = await other!.store.endpoints();
    return state?.pausedAt == null ? null : [state.endpoint, state.pausedAt, state.reason];
  };
  const audit = async () =>
    (await other!.store.audit({ limit: 99 })).map(({ verb, subject, at }) => [verb, subject, at]);
  /** What a command does, to the end of its process; the relay `by` looks meanwhile, as each does every second. */
  async function command(work: (asked: Store) => Promise<unknown>, by = one!) {
    await by.store.noteRelay(NOTE);
    const { store } = await openAnother(undefined, "operator");
    await work(auditedStore(store, BOB));
    let hasEnded = false;
    const ending = store.close().finally(() => {
      hasEnded = true;
    });
    await waitFor(async () => {
      await by.store.look();
      return hasEnded;
    });
    await ending;
  }
  return { ...database, one: one!, other: other!, clock, paused, audit, command, openAnother };
}

test("a pause, a resume and a silence that a failover has lost are done again, in their order, and it is said", {
  skip,
}, async (t) => {
  const { one, clock, keep, loseSince, takeOver, paused, audit } = await openStores(t);
  await one.asked.pauseEndpoint("cms", "kept", clock.now());
  await clock.advance(1_000);
  await keep();
  await one.asked.resumeEndpoint("cms");
  await clock.advance(1_000);
  const at = clock.now();
  await one.asked.pauseEndpoint("cms", "lost", at);
  await one.asked.silenceAlarm("diskLow", { until: at + 60_000, reason: "known" }, at);
  await clock.advance(1_000);
  await loseSince();
  assert.deepEqual((await paused())![2], "kept");
  await takeOver();
  await waitFor(() => warned(one, DONE) === 1);
  assert.deepEqual(await paused(), ["cms", at, "lost"]);
  assert.deepEqual(await audit(), [
    ["alerts silence", "diskLow", at],
    ["endpoints pause", "cms", at],
    ["endpoints resume", "cms", at - 1_000],
    ["endpoints pause", "cms", at - 2_000],
  ]);
  // Once more.
  await loseSince();
  await takeOver();
  await waitFor(() => warned(one, DONE) === 2);
  assert.deepEqual(await paused(), ["cms", at, "lost"]);
});

test("what is there is not done again, nor what a later decision has overtaken", { skip }, async (t) => {
  const { one, other, clock, keep, loseSince, cut, paused, audit } = await openStores(t);
  await one.asked.pauseEndpoint("cms", "there", clock.now());
  await clock.advance(1_000);
  await other.asked.resumeEndpoint("cms");
  await cut();
  await one.store.epoch();
  await keep();
  await one.asked.pauseEndpoint("cms", "lost", clock.now());
  // It is done again after that.
  await one.asked.silenceAlarm("diskLow", { until: clock.now() + 60_000, reason: null }, clock.now());
  await loseSince();
  await clock.advance(1_000);
  await other.asked.pauseEndpoint("cms", "later", clock.now());
  await clock.advance(1_000);
  await other.asked.resumeEndpoint("cms");
  await cut();
  await waitFor(() => warned(one, DONE) === 1);
  assert.equal(await paused(), null);
  assert.deepEqual(
    (await audit()).map(([verb]) => verb),
    ["alerts silence", "endpoints resume", "endpoints pause", "endpoints resume", "endpoints pause"],
  );
});

test("a delivery that was canceled is not sent, also where its event was lost with it, and another relay stores that again", {
  skip,
}, async (t) => {
  const { one, other, clock, keep, loseSince, takeOver, audit } = await openStores(t);
  const before = await one.post(draft("v1"));
  await keep();
  const lost = await other.post(draft("v2"));
  const [first, second] = await Promise.all(
    [before, lost].map(async ({ id }) => (await one.store.deliveries({ limit: 9, eventId: id }))[0]!),
  );
  await one.asked.cancelDelivery(second!.id, clock.now());
  await one.asked.cancelDelivery(first!.id, clock.now());
  await clock.advance(1_000);
  await loseSince();
  await takeOver();
  await waitFor(() => warned(one, DONE) === 1);
  const states = async () => (await one.store.deliveries({ limit: 9 })).map(({ state }) => state);
  assert.deepEqual(await states(), ["canceled", "canceled"]);
  assert.equal((await one.store.event(lost.id)).late, true);
  assert.equal((await audit()).length, 2);
  await clock.advance(25_000);
  assert.deepEqual(await one.claim(), []);
});

test("a video that was forgotten is forgotten again, and what came since stays", { skip }, async (t) => {
  const { one, other, clock, ask, keep, loseSince, cut, audit } = await openStores(t);
  const { id } = await one.post(draft("v1", { videoTitle: "a name" }));
  await keep();
  await clock.advance(1_000);
  const at = clock.now();
  await one.asked.forgetVideo("v1", at);
  await clock.advance(1_000);
  await loseSince();
  assert.ok((await other.store.eventBody(id)).length > 0);
  const since = await other.post(draft("v1", { n: 2 }));
  await cut();
  await waitFor(() => warned(one, DONE) === 1);
  await assert.rejects(other.store.eventBody(id), { code: "body_expired" });
  assert.ok((await other.store.eventBody(since.id)).length > 0);
  assert.deepEqual(await ask("SELECT count(*) FROM videos WHERE title IS NOT NULL"), [["0"]]);
  assert.equal((await other.store.video("v1")).forgottenAt, at);
  assert.deepEqual(await audit(), [["videos forget", "v1", at]]);
  assert.deepEqual(
    (await other.claim()).map(({ event }) => event.sequence),
    [2],
  );
  // What came since can be forgotten, too.
  await one.asked.forgetVideo("v1", clock.now());
  await assert.rejects(other.store.eventBody(since.id), { code: "body_expired" });
});

test("of a video that was forgotten and lost as a whole nothing is stored again, by no relay", { skip }, async (t) => {
  const { one, other, clock, keep, loseSince, takeOver } = await openStores(t);
  await keep();
  const first = await one.post(ready("v1"));
  const second = await other.post(remove("v1"));
  await clock.advance(1_000);
  await one.asked.forgetVideo("v1", clock.now());
  await clock.advance(1_000);
  const control = await other.post(ready("v2"));
  await loseSince();
  await takeOver();
  await found(one, control.id);
  await waitFor(() => warned(one, DONE) === 1);
  const bodies = await Promise.allSettled([first, second].map(({ id }) => one.store.eventBody(id)));
  assert.ok(bodies.every(({ status }) => status === "rejected"));
});

test("a task that is lost is not begun again, which is said", { skip }, async (t) => {
  const { one, clock, keep, loseSince, takeOver } = await openStores(t);
  await one.post(draft("v1"));
  await keep();
  const id = await makeTask(one.asked, { verb: "cancel", filter: { endpoint: "cms" } }, clock.now());
  await clock.advance(1_000);
  await loseSince();
  await takeOver();
  await waitFor(() => warned(one, UNDONE) === 1);
  await assert.rejects(one.store.task(id), { code: "not_found" });
});

test("what a command has decided a relay remembers before it ends, and it is done again once, whichever of them do", {
  skip,
}, async (t) => {
  const { one, other, clock, ask, keep, loseSince, takeOver, command } = await openStores(t);
  const { id } = await one.post(draft("v1"));
  await one.post(draft("v2", { videoTitle: "a name" }));
  await keep();
  await clock.advance(1_000);
  const at = clock.now();
  const secret = new Uint8Array(32).fill(7);
  await command(async (asked) => {
    await asked.pauseEndpoint("cms", "by a command", at);
    await asked.replay(id, { endpoint: "cms", ordered: true, newId: false }, at);
    await asked.rotateLinkSecret({ secret, keep: 0 }, at);
    await asked.forgetVideo("v2", at);
  });
  const relays = [one, other];
  // A relay that has not heard of them yet does none of them again.
  await other.store.look();
  await loseSince();
  assert.deepEqual(await ask("SELECT verb FROM audit"), []);
  await takeOver();
  const done = () => ask("SELECT verb, actor, at FROM audit ORDER BY verb");
  await waitFor(async () => (await done()).length === 4);
  await waitFor(() => relays.some((each) => warned(each, DONE) > 0));
  const [state] = await one.store.endpoints();
  assert.deepEqual([state!.pausedAt, state!.reason], [at, "by a command"]);
  assert.deepEqual(new Uint8Array((await one.store.linkSecrets())[0]!.secret), secret);
  assert.equal((await one.store.video("v2")).forgottenAt, at);
  // What they owe they have done then.
  await Promise.all(relays.map(({ store }) => store.close()));
  assert.deepEqual(
    await done(),
    ["endpoints pause", "events replay", "media links rotate", "videos forget"].map((verb) => [verb, "bob", `${at}`]),
  );
  assert.deepEqual(
    await ask("SELECT count(*) FROM deliveries d JOIN videos v ON v.id = d.video WHERE video_id = 'v1'"),
    [["2"]],
  );
});

test("a command that a failover meets does it again itself, and hands it over once more", { skip }, async (t) => {
  const { one, clock, keep, loseSince, takeOver, paused, command } = await openStores(t);
  await one.store.noteRelay(NOTE);
  await keep();
  const at = clock.now();
  await command(async (asked) => {
    await asked.pauseEndpoint("cms", "by a command", at);
    await loseSince();
    await takeOver();
    await waitFor(async () => (await paused()) !== null);
  });
  await loseSince();
  await takeOver();
  await waitFor(() => warned(one, DONE) === 1);
  assert.deepEqual(await paused(), ["cms", at, "by a command"]);
});

test("a command waits for no relay where none lives", { skip }, async (t) => {
  const { clock, openAnother } = await openStores(t);
  const { store, log } = await openAnother(undefined, "operator");
  await auditedStore(store, BOB).pauseEndpoint("cms", "alone", clock.now());
  await store.close();
  assert.deepEqual(log.facts, []);
});
