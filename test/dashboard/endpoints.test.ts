import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, SECRET } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

const HOSTILE = `</pre><script>alert("owned")</script> 'x' \u202Egnp.exe\u202C\u0000`;

/** A relay with one endpoint "app". */
async function open(
  t: TestContext,
  reply: Parameters<typeof openReceiver>[0],
  more: Parameters<typeof endpointTo>[1] = {},
) {
  const app = await openReceiver(reply);
  t.after(() => app.close());
  const to = endpointTo(app.url, { retry: ["10ms"], send: "immediately", order: "none", ...more });
  const dashboard = await openDashboard(t, { mirror: { enabled: false }, endpoints: [to] });
  await dashboard.login();
  const endpoint = async () => (await dashboard.get("/endpoints/app")).json;
  return { ...dashboard, app, to, endpoint };
}

test("the list shows each endpoint with its state, and says what to do where there is none", async (t) => {
  const { page, relay, to, post } = await open(t, 200);
  const other = { ...to, id: "other", url: "https://user:password@other.example/x?token=geheim" };
  await relay.reload({ endpoints: [to, other] });
  await post("/endpoints/other/pause", {});
  const { text } = await page("/endpoints");
  assert.match(text, /<a href="\/endpoints\/app">app<\/a>/);
  assert.match(text, /active/);
  assert.match(text, /paused/);
  assert.doesNotMatch(text, /geheim|password/);
  await relay.reload({ endpoints: [] });
  await post("/endpoints/other/resume", {});
  assert.match((await page("/endpoints")).text, /There is no endpoint/);
});

test("one that fails says since when and why, and is probed by one button", async (t) => {
  const { page, event, endpoint, form, app, get } = await open(t, 503, { retry: ["1h"], order: "video" });
  for (let n = 0; n < 12; n++) await event({ wochitVideoId: `v${n}` });
  await waitFor(async () => (await endpoint()).state === "failing");
  const { text } = await page("/endpoints/app");
  assert.match(text, /breaker open/);
  assert.match(text, /Why little is sent/);
  assert.match(text, /the last time with <b><bdi>HTTP 503<\/bdi><\/b>/);
  assert.match(text, /12 deliveries wait and use up no attempts/);
  assert.match(text, /href="\/deliveries\?endpoint=app&amp;state=all">See the 12/);
  assert.match(text, /Bars: attempts in each of the last 24 hours, at most \d+; in all 0 succeeded, and \d+ failed/);
  assert.match(text, /0 %/);
  app.answer(200);
  const { status, headers } = await form("/endpoints/app/probe");
  assert.deepEqual([status, headers.location], [303, "/endpoints/app?done=probed"]);
  await waitFor(async () => (await endpoint()).state === "active");
  assert.doesNotMatch((await page("/endpoints/app")).text, /Why little is sent/);
  const verbs = (await get("/audit")).json.data.map(
    ({ verb, through }: Record<string, string>) => `${through} ${verb}`,
  );
  assert.ok(verbs.includes("dashboard endpoints resume"), verbs.join());
  const again = await form("/endpoints/app/probe");
  assert.equal(again.status, 409);
  assert.match(again.text, /only one that is failing is probed/);
});

test("a pause is asked about, says what waits, keeps its reason, and ends by a button", async (t) => {
  const { page, event, endpoint, form, get, app } = await open(t, 200);
  const question = (await page("/endpoints/app/pause")).text;
  assert.match(question, /<form class="sure stack" method="post" action="\/endpoints\/app\/pause">/);
  assert.match(question, /What is for it waits \(0 now\)/);
  const { status, headers } = await form("/endpoints/app/pause", { reason: HOSTILE });
  assert.deepEqual([status, headers.location], [303, "/endpoints/app?done=paused"]);
  await event({ wochitVideoId: "v1" });
  const { text } = await page("/endpoints/app");
  assert.match(text, /Why nothing is sent/);
  assert.match(text, /1 delivery waits and uses up no attempts/);
  assert.match(text, /&lt;\/pre&gt;&lt;script&gt;/);
  assert.match(text, /<span class="odd">U\+202E<\/span>/);
  assert.doesNotMatch(text, /<\/pre><script|[\u202E\u202C\u0000]|action="\/endpoints\/app\/pause"/);
  assert.equal((await form("/endpoints/app/resume")).headers.location, "/endpoints/app?done=resumed");
  await waitFor(() => app.requests.length === 1);
  assert.equal((await endpoint()).state, "active");
  const deeds = (await get("/audit")).json.data.map(({ verb, by }: Record<string, string>) => [verb, by]);
  assert.deepEqual(deeds.slice(0, 2), [
    ["endpoints resume", "admin@127.0.0.1"],
    ["endpoints pause", "admin@127.0.0.1"],
  ]);

  await form("/endpoints/app/pause");
  assert.match((await page("/endpoints/app")).text, /<b><bdi>paused by admin<\/bdi><\/b>/);
  const long = await form("/endpoints/app/pause", { reason: "x".repeat(1_001) });
  assert.equal(long.status, 400);
  assert.match(long.text, /has more than 1000 characters/);
  assert.match(long.text, /value="x{1001}"/);
});

test("one that the config pauses has no button that could not work", async (t) => {
  const { page, form } = await open(t, 200, { paused: true });
  const { text } = await page("/endpoints/app");
  assert.match(text, /only that ends it/);
  assert.doesNotMatch(text, /\/endpoints\/app\/resume/);
  assert.equal((await form("/endpoints/app/resume")).status, 409);
});

test("a test shows what was answered, as text, and is in the audit", async (t) => {
  const { form, page, app, get } = await open(t, { status: 418, body: HOSTILE });
  const { status, text } = await form("/endpoints/app/test");
  assert.equal(status, 200);
  assert.match(text, /did not take it/);
  assert.match(text, /HTTP 418<\/bdi><\/b> in \d+ ms, attempt 1/);
  assert.match(text, /&lt;\/pre&gt;&lt;script&gt;/);
  assert.doesNotMatch(text, /<\/pre><script|[\u202E\u202C\u0000]/);
  app.answer(200);
  assert.match((await form("/endpoints/app/test")).text, /It took a signed message of type relay\.test/);
  const [deed] = (await get("/audit")).json.data;
  assert.deepEqual([deed.through, deed.verb, deed.outcome], ["dashboard", "endpoints test", "answered 200"]);
  // A bookmark of the address that it was shown at.
  assert.equal((await page("/endpoints/app/test")).headers.location, "/endpoints/app");
  assert.equal((await form("/endpoints/nowhere/test")).status, 404);
});

test("its options and the marks of its secrets are shown, and no value of one", async (t) => {
  const { page, to } = await open(t, 200, {
    secret: [SECRET, SECRET.replace("Mf", "Af")],
    headers: { "x-key": "geheim" },
    filter: { context: ["page-*"] },
    retry: ["5s", "1h"],
    ratePerSecond: 3,
  });
  const { text } = await page("/endpoints/app");
  assert.match(text, /2, over 1 h: 5 s, 1 h/);
  assert.match(text, /8 at once, at most 3 a second, 15 s to answer/);
  assert.match(text, /context page-\*/);
  assert.match(text, /1st, signs<.*2nd, signs too</s);
  assert.match(text, /sha256 begins <span class="id">[0-9a-f]{4} [0-9a-f]{4}<\/span>/);
  assert.match(text, /a rotation is under way/);
  assert.match(text, /x-key/);
  assert.doesNotMatch(text, /geheim|whsec_/);
  assert.ok(String(to.secret).includes("whsec_"));
});

test("dead ones are named with what to do, and those of a removed endpoint are held", async (t) => {
  const { page, event, endpoint, relay, post } = await open(t, 413);
  await event({ wochitVideoId: "v1" });
  await waitFor(async () => (await endpoint()).dead === 1);
  const { text } = await page("/endpoints/app");
  assert.match(text, /1 delivery is dead/);
  assert.match(text, /href="\/confirm\?do=retry&amp;endpoint=app&amp;state=dead">Retry 1…/);
  await post("/endpoints/app/pause", {});
  await event({ wochitVideoId: "v2" });
  await relay.reload({ endpoints: [] });
  const removed = (await page("/endpoints/app")).text;
  assert.match(removed, /What there is for it \(1\) is held/);
  assert.match(removed, /href="\/confirm\?do=cancel&amp;endpoint=app">/);
  assert.doesNotMatch(removed, /endpoints\/app\/(test|pause)"|As configured/);
});

test("who may read sees no button, and what is not there is a page that says so", async (t) => {
  const { page, login } = await open(t, 413);
  assert.equal((await page("/endpoints/nowhere%3Cb%3E")).status, 404);
  assert.equal((await page("/endpoints/nowhere/pause")).status, 404);
  assert.doesNotMatch((await page("/endpoints/nowhere%3Cb%3E")).text, /<b>/);
  await login(READER);
  const { status, text } = await page("/endpoints/app");
  assert.equal(status, 200);
  assert.doesNotMatch(text, /action="\/endpoints|\/confirm|\/pause/);
});
