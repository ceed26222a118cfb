import assert from "node:assert/strict";
import { test } from "node:test";
import { showDelivery } from "../../src/actions/deliveries.ts";
import { listEndpoints, pauseEndpoint, resumeEndpoint } from "../../src/actions/endpoints.ts";
import { events, type ReplayOptions, replayEvent, showEvent } from "../../src/actions/events.ts";
import { collect, type Sources } from "../../src/actions/list.ts";
import { reprocess, showQuarantined } from "../../src/actions/quarantine.ts";
import { readStatus } from "../../src/actions/status.ts";
import { importContexts } from "../../src/actions/videos.ts";
import type { TaskWish } from "../../src/model/task.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { settingsOf } from "../../src/store/settings.ts";
import { openSeeded, ready, type Seeded, STATUS } from "../support/seeded.ts";
import { makeTask, workTask } from "../support/tasks.ts";

const HOUR = 3_600_000;

/** What the lists of a seeded database are read from. */
function sources({ store, config }: Pick<Seeded, "store" | "config">): Sources {
  return { store, config, openLink: async () => () => null };
}

function replay({ store, config }: Seeded, id: string, options: ReplayOptions = {}) {
  return replayEvent(store, config, id, options, Date.now());
}

test("one event is replayed to every endpoint that asks for it, or to the one that is named", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take({ type: "draft.new", wochitVideoId: "v1" });
  assert.deepEqual(
    (await replay(seeded, id)).map(({ eventId, endpoint }) => [eventId, endpoint]),
    [[id, "app"]],
  );
  assert.deepEqual(
    (await replay(seeded, id, { endpoint: "archive" })).map(({ endpoint }) => endpoint),
    ["archive"],
    "named, it gets what it did not ask for",
  );
  await assert.rejects(replay(seeded, id, { endpoint: "nobody" }), { code: "not_found" });
  await assert.rejects(replay(seeded, "evt_nothing"), { code: "not_found" });
  await assert.rejects(replay(seeded, id, { onlyDead: true }), { code: "conflict" });
});

test("a replay asks anew who wants an event, by today's config and the event's context", async (t) => {
  const seeded = await openSeeded(t);
  const { store, config } = seeded;
  const page = await seeded.take({ type: "draft.new", wochitVideoId: "v1", videoContext: "page-1" });
  const mapped = await seeded.take({ type: "draft.delete", wochitVideoId: "v1" });
  const none = await seeded.take({ type: "draft.delete", wochitVideoId: "v2" });
  // The second one of v1 has its turn when the first has ended.
  for (let turn = 0; turn < 2; turn++) await seeded.deliver("app", "dead");
  const [app, archive] = config.endpoints;
  const filter = { context: ["page-*"], videoId: null };
  const today = {
    ...config,
    endpoints: [
      { ...app!, events: ["*", "!draft.new"] },
      { ...archive!, events: ["*"], filter },
    ],
  };
  store.configure(settingsOf(today));
  const replayed = async (wish: Partial<TaskWish>) => {
    const id = await makeTask(store, { verb: "replay", filter: { since: 0 }, ...wish }, Date.now());
    return (await workTask(store, id, Date.now)).items.map(({ id, endpoint }) => [id, endpoint]);
  };
  assert.deepEqual(await replayed({ onlyDead: true }), [
    [mapped, "app"],
    [none, "app"],
  ]);
  assert.deepEqual(await replayed({}), [
    [page, "archive"],
    [mapped, "app"],
    [mapped, "archive"],
    [none, "app"],
  ]);
  assert.deepEqual(await replayed({ filter: { endpoint: "archive" } }), [
    [page, "archive"],
    [mapped, "archive"],
  ]);
  const one = async (id: string, options: ReplayOptions = {}) =>
    (await replayEvent(store, today, id, options, Date.now())).map(({ eventId, endpoint }) => [eventId, endpoint]);
  assert.deepEqual(await one(page), [[page, "archive"]]);
  assert.deepEqual(await one(page, { endpoint: "app" }), [[page, "app"]], "named, it gets what it does not want");
  assert.deepEqual(await one(none, { endpoint: "archive" }), [[none, "archive"]]);
  const narrow = { endpoints: [{ ...app!, filter }] };
  await assert.rejects(replayEvent(store, narrow, none, {}, Date.now()), /no endpoint wants .* --endpoint/);
});

test("only where it is dead, and was not delivered since, one event is replayed when asked so", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1"));
  await seeded.deliver("app", "dead");
  await seeded.deliver("archive", "delivered");
  const dead = () => replay(seeded, id, { onlyDead: true });
  assert.deepEqual(
    (await dead()).map(({ endpoint }) => endpoint),
    ["app"],
  );
  await seeded.deliver("app", "delivered");
  await assert.rejects(dead(), { code: "conflict" });
});

test("a replay is a new delivery of the same message", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1"));
  await seeded.deliver("app", "delivered");
  const [same] = await replay(seeded, id, { endpoint: "app" });
  const [job] = (
    await seeded.store.claimDeliveries({
      now: Date.now(),
      limit: 1,
      leaseFor: HOUR,
      endpoint: "app",
    })
  ).jobs;
  assert.equal(job?.id, same?.deliveryId);
  assert.equal(job?.messageId, id);
  assert.equal(job?.replay, true);
});

test("lists are walked beyond one page, newest first", async (t) => {
  const seeded = await openSeeded(t, { endpoints: [] });
  const ids = await Promise.all(Array.from({ length: 1100 }, (_, at) => seeded.take(ready(`v${at}`))));
  const listed = (await collect(events.rows(sources(seeded), { limit: 1050 }))).map(({ id }) => id);
  assert.deepEqual(listed, ids.reverse().slice(0, 1050));
});

test("what few rows of a long table match is found, whole and in order, whatever it is narrowed to", async (t) => {
  const seeded = await openSeeded(t, { endpoints: [] });
  const { take } = seeded;
  const draft = (wochitVideoId: string) => ({ type: "draft.new", wochitVideoId });
  const ids: string[] = [];
  for (let part = 0; part < 4; part++) {
    await Promise.all(Array.from({ length: 1100 }, (_, at) => take(ready(`v${part}-${at}`))));
    ids.unshift(await take(draft(`d${part}`)));
  }
  await Promise.all(Array.from({ length: 1100 }, (_, at) => take(ready(`w${at}`))));
  const list = async (wish: object) =>
    (await collect(events.rows(sources(seeded), { limit: 1000, type: "draft.new", ...wish }))).map(({ id }) => id);
  assert.deepEqual(await list({}), ids);
  assert.deepEqual(await list({ limit: 3 }), ids.slice(0, 3));
  assert.deepEqual(await list({ before: ids[1] }), ids.slice(2));
  assert.deepEqual(await list({ since: Date.now() }), []);
  assert.deepEqual(await list({ until: Date.now() + 60_000 }), ids);
  assert.deepEqual(await list({ type: "draft.delete" }), []);
});

test("an event is shown with its media and deliveries, a delivery with its attempts", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v.mp4?sig=secret" }));
  await seeded.deliver("app", "retry", 503);
  const { event, more } = await showEvent(seeded.store, id, ({ key }) => key, 2);
  assert.equal(more, false);
  assert.equal(event.media[0]?.state, "skipped");
  assert.equal(event.media[0]?.sourceUrl, "https://cdn.example.com/v.mp4");
  assert.deepEqual(event.deliveries.map(({ endpoint }) => endpoint).sort(), ["app", "archive"]);
  const own = event.deliveries.find(({ endpoint }) => endpoint === "app")!;
  const { delivery } = await showDelivery(seeded.store, own.id, 1);
  assert.equal(delivery.attempts, 1);
  assert.equal(delivery.attemptLog[0]?.status, 503);
  assert.equal(delivery.attemptLog[0]?.answer, "\x1b[31mno");
});

test("endpoints are those of the config, with what waits, and those that left it", async (t) => {
  const seeded = await openSeeded(t);
  const { store, config } = seeded;
  await seeded.take(ready("v1"));
  await seeded.take(ready("v2"));
  await seeded.deliver("app", "dead");
  const without = { ...config, endpoints: config.endpoints.slice(0, 1) };
  const [app, archive] = await listEndpoints(store, without);
  assert.deepEqual([app?.state, app?.dead, app?.pending, app?.oldest], ["active", 2, 0, null]);
  assert.deepEqual([archive?.id, archive?.state, archive?.pending], ["archive", "removed", 2]);

  assert.equal(
    (await pauseEndpoint({ store, config, id: "app" }, { reason: "maintenance", by: "x" }, Date.now())).state,
    "paused",
  );
  assert.equal((await listEndpoints(store, config))[0]?.reason, "maintenance");
  assert.equal((await resumeEndpoint({ store, config, id: "app" })).state, "active");
  await assert.rejects(resumeEndpoint({ store, config, id: "ap" }), /did you mean "app"/);

  const status = await readStatus(store, config, STATUS);
  assert.equal(status.events, 2);
  assert.deepEqual(status.deliveries, { waiting: 0, pending: 2, running: 0, dead: 2 });
});

test("a refused body becomes an event and leaves the quarantine; one that is none stays", async (t) => {
  const { store } = await openSeeded(t);
  const accept = createAccept({ store });
  const keep = (body: string, reason: "source" | "invalid_json" = "source") =>
    store.quarantine({ receivedAt: 1_000, sourceAddress: "203.0.113.9", reason, body: Buffer.from(body) });
  const fine = await keep(JSON.stringify(ready("v1")));
  const broken = await keep("{");
  const odd = await keep("\u0000", "invalid_json");
  assert.equal((await showQuarantined(store, fine.id)).body, JSON.stringify(ready("v1")));

  const { id, status } = await reprocess(store, accept, fine.id);
  assert.equal(status, "accepted");
  const event = await store.event(id);
  assert.deepEqual([event.videoId, event.receivedAt, event.sourceAddress], ["v1", 1_000, "203.0.113.9"]);
  await assert.rejects(reprocess(store, accept, broken.id), { code: "invalid_json" });

  assert.deepEqual(
    (await store.quarantined({ limit: 10 })).map((kept) => kept.id),
    [odd.id, broken.id],
  );
});

test("contexts made elsewhere are imported, known ones change nothing", async (t) => {
  const { store } = await openSeeded(t);
  const rows = Array.from({ length: 1200 }, (_, at) => ({ videoId: `v${at}`, context: `c${at}` }));
  assert.deepEqual(await importContexts(store, rows, Date.now), { imported: 1200 });
  assert.deepEqual(await importContexts(store, rows, Date.now), { imported: 0 });
  assert.equal((await store.video("v7")).context, "c7");
});
