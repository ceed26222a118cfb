import assert from "node:assert/strict";
import { test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { hiddenIn, wordsOf } from "../support/markup.ts";
import { HOSTILE, openNight } from "../support/newsroom.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

/** A relay whose one app refuses for good, with `count` dead deliveries of `count` videos. */
async function openDead(
  t: Parameters<typeof openDashboard>[0],
  count: number,
  others: Parameters<typeof endpointTo>[1][] = [],
) {
  const app = await openReceiver({ status: 400, body: HOSTILE.script });
  t.after(() => app.close());
  const endpoints = [{ id: "archive", retry: [] }, ...others].map((one) => endpointTo(app.url, one));
  const dashboard = await openDashboard(t, { endpoints });
  const dead = async () => (await dashboard.get("/deliveries?state=dead&limit=500")).json.data as { id: string }[];
  const add = async (many: number) => {
    const before = (await dead()).length;
    for (let n = 0; n < many; n++) await dashboard.event({ wochitVideoId: `v${before + n}`, title: HOSTILE.turned });
    await waitFor(async () => (await dead()).length === before + many);
  };
  await add(count);
  await dashboard.login();
  return { ...dashboard, app, dead, add };
}

test("what is done to many is counted first, and goes where its progress is shown", async (t) => {
  const relay = await openDead(t, 6);
  const { status, text } = await relay.page("/confirm?do=retry&state=dead&endpoint=archive");
  assert.equal(status, 200);
  const words = wordsOf(text);
  assert.match(words, /Retry 6 deliveries\?.*6 dead deliveries, counted \d\d:\d\d:\d\d/);
  assert.match(words, /of6 videos/);
  assert.match(words, /failed with6 × HTTP 400/);
  assert.match(words, /The webhook-id stays the same/);
  assert.equal(text.match(/class="id" href="\/deliveries\/dlv_/g)?.length, 5);
  assert.equal((await relay.dead()).length, 6, "asking changes nothing");

  relay.app.answer(200);
  const done = await relay.form("/confirm", { ...hiddenIn(text), rate: "500" });
  assert.equal(done.status, 303);
  assert.match(done.headers.location!, /^\/tasks\/[\w-]+\?done=begun&n=6$/);
  assert.match(wordsOf((await relay.page(done.headers.location!)).text), /6 are worked on now/);
  await waitFor(async () => (await relay.dead()).length === 0);
  const [task] = (await relay.get("/tasks")).json.data;
  assert.deepEqual([task.verb, task.total, task.ratePerSecond], ["retry", 6, 500]);
  assert.match(task.by, /^dashboard admin@127\.0\.0\.1/);
  const [entry] = (await relay.get("/audit")).json.data.filter(
    ({ verb }: { verb: string }) => verb === "deliveries retry",
  );
  assert.deepEqual([entry.through, entry.count], ["dashboard", 6]);
});

test("what several states have failed with is of these states, and so is the list of their task", async (t) => {
  const relay = await openDead(t, 2, [{ id: "cms", retry: ["1h"], order: "none" }]);
  const [waiting] = await waitFor(async () => {
    const { data } = (await relay.get("/deliveries?endpoint=cms&state=pending")).json;
    return data.length === 2 && data.every(({ attempts }: { attempts: number }) => attempts === 1) && data;
  });
  await relay.post(`/deliveries/${waiting.id}/cancel`, {});
  const { text } = await relay.page("/confirm?do=retry&state=canceled,waiting");
  assert.match(wordsOf(text), /Retry 1 delivery\?.*failed with1 × canceled by the operator/);
  const done = await relay.form("/confirm", hiddenIn(text));
  const task = await relay.page(done.headers.location!);
  assert.match(task.text, /href="\/deliveries\?state=canceled%2Cwaiting/);
});

test("ids of deliveries make no wish to replay, which would be of every event", async (t) => {
  const relay = await openDead(t, 2);
  const [one, other] = await relay.dead();
  const { status, text } = await relay.page(`/confirm?do=replay&id=${one!.id}&id=${other!.id}`);
  assert.equal(status, 400);
  assert.match(wordsOf(text), /nothing is named by ids to replay it/);
});

test("the count is binding: with more of them by now nothing is done, and it is asked again with the new count", async (t) => {
  const relay = await openDead(t, 2);
  const { text } = await relay.page("/confirm?do=retry&endpoint=archive");
  const confirmed = hiddenIn(text);
  assert.equal(confirmed.expect, "2");
  // What came after the question is not meant, whatever it is like.
  await relay.add(1);
  assert.equal((await relay.page("/confirm?do=retry&endpoint=archive")).text.match(/expect" value="(\d)"/)?.[1], "3");
  // As if one more of those that were there had died meanwhile.
  const refused = await relay.form("/confirm", { ...confirmed, expect: "1" });
  assert.equal(refused.status, 409);
  assert.match(wordsOf(refused.text), /2 match by now, 1 were confirmed: nothing was done/);
  assert.match(wordsOf(refused.text), /Retry 2 deliveries\?/);
  assert.equal(hiddenIn(refused.text).expect, "2");
  assert.equal((await relay.dead()).length, 3);
  for (const expect of ["", "-1", "x"])
    assert.equal((await relay.form("/confirm", { ...confirmed, expect })).status, 400);
  assert.equal((await relay.dead()).length, 3);
});

test("chosen ones are named by their ids; a single one is done at once, and leads back", async (t) => {
  const relay = await openDead(t, 3);
  const [a, b, c] = (await relay.dead()).map(({ id }) => id);
  const { text } = await relay.page(`/confirm?do=retry&id=${a}&id=${b}`);
  assert.match(wordsOf(text), /Retry 2 deliveries\?/);
  assert.equal(text.match(/type="hidden" name="id"/g)?.length, 2);
  relay.app.answer(200);
  const one = await relay.page(`/confirm?do=retry&id=${c}&to=${encodeURIComponent("/events?type=x")}`);
  assert.match(one.text, /href="\/events\?type=x">Do nothing/);
  const done = await relay.form("/confirm", hiddenIn(one.text));
  assert.deepEqual([done.status, done.headers.location], [303, "/events?type=x&done=retried"]);
  assert.equal(hiddenIn((await relay.page(`/confirm?do=retry&id=${b}`)).text).to, `/deliveries/${b}`);
  const elsewhere = await relay.page(`/confirm?do=retry&id=${a}&to=${encodeURIComponent("//evil.example/")}`);
  assert.doesNotMatch(elsewhere.text, /evil/);
  await waitFor(async () => (await relay.get(`/deliveries/${c}`)).json.state === "delivered");
  assert.equal((await relay.dead()).length, 2);
  const gone = await relay.form("/confirm", { do: "cancel", id: c!, expect: "1" });
  assert.equal(gone.status, 409);
});

test("a wish that names nothing, or what is not there, is not done", async (t) => {
  const { login, page, form } = await openDashboard(t);
  await login();
  for (const path of [
    "/confirm",
    "/confirm?do=nothing",
    "/confirm?do=constructor",
    "/confirm?do=retry",
    "/confirm?do=retry&state=lost",
    "/confirm?do=replay&since=then",
  ]) {
    assert.equal((await page(path)).status, 400, path);
  }
  const bare = await page("/confirm");
  assert.match(wordsOf(bare.text), /The address does not say what is to be done/);
  for (const list of ["/deliveries", "/events", "/media", "/quarantine"]) {
    assert.ok(bare.text.includes(`class="button" href="${list}"`), list);
  }
  const which: Record<string, [words: RegExp, list: string]> = {
    reprocess: [/Which refused bodies are meant\?/, "/quarantine"],
    replay: [/Which events are meant\?/, "/events"],
    cancel: [/Which deliveries are meant\?/, "/deliveries"],
  };
  for (const [verb, [words, list]] of Object.entries(which)) {
    const { status, text } = await page(`/confirm?do=${verb}`);
    assert.equal(status, 400, verb);
    assert.match(wordsOf(text), words);
    assert.ok(text.includes(`class="button" href="${list}"`), verb);
  }
  const none = await page("/confirm?do=retry&videoId=none");
  assert.match(wordsOf(none.text), /Nothing to retry.*No delivery is like that now/);
  assert.doesNotMatch(none.text, /expect/);
  assert.equal((await form("/confirm", { do: "retry", expect: "0" })).status, 400);
  await login(READER);
  assert.equal((await form("/confirm", { do: "verify" })).status, 403);
  for (const path of [
    "/confirm?do=verify",
    "/confirm?do=retry&state=dead",
    "/events/evt_none/replay",
    "/videos/v1/forget",
  ]) {
    assert.equal((await page(path)).status, 403, path);
  }
});

test("a replay says how many new deliveries it makes, to which endpoint, under which ids", async (t) => {
  const night = await openNight(t);
  await night.play();
  await night.login();
  const { text } = await night.page(`/confirm?do=replay&type=video.ready&q=${encodeURIComponent("Flood in")}`);
  assert.match(wordsOf(text), /Send 3 new deliveries\?.*title withFlood in/);
  assert.match(wordsOf(text), /tocms 1, search-index 1, archive 1/);
  const one = await night.page("/confirm?do=replay&type=video.ready&endpoint=archive&newId=true");
  assert.match(wordsOf(one.text), /Send 1 new delivery\?.*a new webhook-id/);
  const before = night.archive.requests.length;
  const done = await night.form("/confirm", hiddenIn(one.text.slice(one.text.indexOf("sure stack"))));
  assert.match(done.headers.location!, /^\/tasks\/.*done=begun&n=1$/);
  await waitFor(() => night.archive.requests.length > before);
  const { json, headers } = night.archive.requests[before]!;
  assert.equal(json.relay.replay, true);
  assert.notEqual(headers["webhook-id"], json.relay.eventId);
});

test("one event is replayed from its page, to the endpoints that want it or to one", async (t) => {
  const night = await openNight(t);
  const id = await night.play();
  await night.login();
  const asked = await night.page(`/events/${id}/replay`);
  assert.match(wordsOf(asked.text), /those that want it: cms, search-index, archive/);
  const done = await night.form(`/events/${id}/replay`, { endpoint: "archive" });
  assert.equal(done.headers.location, `/events/${id}?done=replayed&n=1`);
  assert.match(wordsOf((await night.page(done.headers.location!)).text), /as new deliveries: 1 made/);
  const wrong = await night.form(`/events/${id}/replay`, { endpoint: "<b>", newId: "true" });
  assert.equal(wrong.status, 409);
  assert.match(wrong.text, /role="alert".*no endpoint/);
  assert.match(wrong.text, /name="newId" value="true" checked/);
  assert.doesNotMatch(wrong.text, /<b>"|<option value="<b>/);
  assert.equal((await night.page("/events/evt_none/replay")).status, 404);
});

test("copies are verified as a task of the relay", async (t) => {
  const night = await openNight(t);
  await night.play();
  await night.login();
  assert.match(wordsOf((await night.page("/confirm?do=verify")).text), /All 2 copies are read/);
  assert.match(wordsOf((await night.page("/confirm?do=verify&kind=video")).text), /The copies, kind video/);
  const done = await night.form("/confirm", { do: "verify", mend: "true" });
  assert.match(done.headers.location!, /^\/tasks\/[\w-]+\?done=verifying$/);
  await waitFor(async () => (await night.get("/tasks")).json.data[0].state === "done");
  const [task] = (await night.get("/tasks")).json.data;
  assert.deepEqual([task.verb, task.done, task.failed, task.filter.mend], ["verify", 2, 0, true]);
});

test("what failed of late is listed, counted and retried by its last attempt: by the API, and from a page", async (t) => {
  const relay = await openDead(t, 2);
  const [newest, first] = await relay.dead();
  const { createdAt } = (await relay.get(`/deliveries/${newest!.id}`)).json;
  await waitFor(() => Date.now() > Date.parse(createdAt));
  const since = new Date().toISOString();
  assert.equal((await relay.post(`/deliveries/${first!.id}/retry`)).status, 200);
  const ids = async (path: string) =>
    ((await relay.get(`${path}failedSince=${since}`)).json.data as { id?: string; sample?: string }[]).map(
      ({ id, sample }) => id ?? sample,
    );
  await waitFor(async () => (await ids("/deliveries?state=dead&")).length === 1);
  assert.deepEqual(await ids("/deliveries?state=dead&"), [first!.id]);
  assert.deepEqual(await ids("/deliveries/reasons?"), [first!.id]);
  const { json } = await relay.post("/deliveries/retry", { failedSince: since, dryRun: true });
  assert.deepEqual([json.count, json.sample], [1, [first!.id]]);
  assert.equal(
    (await relay.post("/deliveries/retry", { failedSince: "noon" })).json.error.details[0].path,
    "failedSince",
  );
  assert.equal((await relay.get("/deliveries?failedSince=noon")).json.error.details[0].path, "failedSince");

  const list = await relay.page(`/deliveries?state=dead&failedSince=${since}`);
  assert.ok(list.text.includes(first!.id) && !list.text.includes(newest!.id));
  const { text } = await relay.page(`/confirm?do=retry&failedSince=${since}`);
  assert.match(wordsOf(text), /Retry 1 delivery\?/);
  assert.equal(hiddenIn(text).failedSince, since);
  assert.equal((await relay.form("/confirm", hiddenIn(text))).status, 303);
  const task = await waitFor(async () => (await relay.get("/tasks?state=done")).json.data[0]);
  assert.deepEqual(task.filter.failedSince, Date.parse(since));
});
