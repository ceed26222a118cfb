import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { READER } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

const HOSTILE = `</pre><script>alert("owned")</script> 'x' \u202Egnp.exe\u202C\u0000`;

/** A relay with one endpoint "app" that gives up after its second attempt. */
async function open(t: TestContext, reply: Parameters<typeof openReceiver>[0], overrides: Partial<ConfigInput> = {}) {
  const app = await openReceiver(reply);
  t.after(() => app.close());
  const to = endpointTo(app.url, { retry: ["10ms"], send: "immediately", order: "none" });
  const dashboard = await openDashboard(t, { mirror: { enabled: false }, endpoints: [to], ...overrides });
  await dashboard.login();
  const list = async (query = "") => (await dashboard.get(`/deliveries${query}`)).json.data;
  return {
    ...dashboard,
    app,
    list,
    settled: (state: string, many: number) =>
      waitFor(async () => (await list(`?state=${state}&limit=500`)).length === many),
  };
}

test("the dead come first: by reason with their numbers, one by one, and all that match through the question", async (t) => {
  const { page, event, settled, app } = await open(t, (_, nth) => ({ status: nth % 3 === 0 ? 400 : 413, body: "no" }));
  for (let n = 0; n < 53; n++) await event({ wochitVideoId: `v${n}`, title: `Title ${n}` });
  await settled("dead", 53);
  assert.equal(app.requests.length, 106);
  const { text } = await page("/deliveries");
  assert.match(text, /aria-current="page">Dead <span class="n soft">53<\/span>/);
  assert.match(text, /href="\/confirm\?do=retry&amp;state=dead">Retry all 53 dead…/);
  assert.equal(text.match(/<tr id="row-dlv_/g)?.length, 35);
  assert.match(text, /<bdi>HTTP 413<\/bdi>/);
  assert.match(text, /href="\/confirm\?do=retry&amp;state=dead&amp;endpoint=app&amp;error=HTTP\+413">Retry \d+…/);
  assert.match(text, /<form class="card" data-bulk action="\/confirm" method="get">/);
  assert.match(text, /<button class="tiny" name="do" value="retry" data-chosen="Retry">Retry selected/);
  assert.match(text, /retry all 53 that match/);
  assert.equal(text.match(/type="checkbox" name="id" value="dlv_/g)?.length, 35);
  assert.match(text, /Title 52/);

  const [, older] = /href="(\/deliveries\?state=dead&amp;before=[^"]+)">Older/.exec(text)!;
  const last = (await page(older!.replaceAll("&amp;", "&"))).text;
  assert.equal(last.match(/<tr id="row-dlv_/g)?.length, 18);
  assert.match(last, /href="\/deliveries\?state=dead">Newest/);

  const some = (await page("/deliveries?state=dead&endpoint=app&error=HTTP+400")).text;
  assert.match(some, /name="error" type="search" value="HTTP 400"/);
  assert.match(some, /Retry all \d+ that match…/);
  const typed = (await page("/deliveries?state=dead&type=video.*&until=now")).text;
  assert.match(typed, /name="type" type="search" value="video\.\*"/);
  assert.match(typed, /type="hidden" name="until" value="now"/);
  assert.doesNotMatch(some, /<bdi>HTTP 413/);
});

test("an operator who may read only sees no button and no box", async (t) => {
  const { page, event, settled, login, list } = await open(t, 413);
  await event({ wochitVideoId: "v1" });
  await settled("dead", 1);
  await login(READER);
  const [{ id }] = await list();
  for (const path of ["/deliveries", `/deliveries/${id}`]) {
    const { status, text } = await page(path);
    assert.equal(status, 200);
    assert.doesNotMatch(text, /type="checkbox"|\/confirm|action="\/deliveries\/[^"]+"|>Retry/, path);
  }
});

test("a delivery shows its attempts with what was answered, as text, and is retried by one button", async (t) => {
  const { page, event, settled, list, form, app, get } = await open(t, { status: 422, body: HOSTILE });
  await event({ wochitVideoId: "v/1?<b>", title: HOSTILE });
  await settled("dead", 1);
  const [{ id }] = await list();
  for (const path of ["/deliveries", "/deliveries?state=all", `/deliveries/${id}`]) {
    assert.doesNotMatch((await page(path)).text, /<b>v|<script>alert|<\/pre><script|[\u202E\u202C\u0000]/, path);
  }
  assert.match((await page("/deliveries")).text, /class="clip under id" dir="auto">&lt;\/pre&gt;&lt;script&gt;/);
  const { text } = await page(`/deliveries/${id}`);
  assert.match(text, /<bdi>app<\/bdi> does not have it/);
  assert.match(text, /answered <b>422<\/b> to both attempts.*Given up after 2 attempts/);
  assert.equal(text.match(/&lt;\/pre&gt;&lt;script&gt;alert/g)?.length, 4, "in the title, the box, and both attempts");
  assert.match(text, /HTTP 422<\/bdi><\/b> in \d+ ms, attempt 2/);
  assert.match(text, /href="\/videos\/v%2F1%3F%3Cb%3E"/);
  assert.match(text, new RegExp(`<form method="post" action="/deliveries/${id}/retry">`));
  assert.doesNotMatch(text, /do=cancel/);

  app.answer(200);
  const { status, headers } = await form(`/deliveries/${id}/retry`);
  assert.deepEqual([status, headers.location], [303, `/deliveries/${id}?done=retried`]);
  await settled("delivered", 1);
  const after = (await page(`/deliveries/${id}?done=retried`)).text;
  assert.match(after, /<bdi>app<\/bdi> has it/);
  assert.match(after, /It is tried again now/);
  const [deed] = (await get("/audit")).json.data;
  assert.deepEqual([deed.through, deed.verb, deed.subject], ["dashboard", "deliveries retry", id]);

  const again = await form(`/deliveries/${id}/retry`);
  assert.equal(again.status, 409);
  assert.match(again.text, /It was not done/);
});

test("after a retry one goes on where the button stood, and nowhere outside of here", async (t) => {
  const { event, settled, list, form } = await open(t, 413);
  await event({ wochitVideoId: "v1" });
  await settled("dead", 1);
  const [{ id, eventId }] = await list();
  for (const [to, there] of [
    [`/events/${eventId}`, `/events/${eventId}?done=retried`],
    ["https://evil.example/", `/deliveries/${id}?done=retried`],
    ["//evil.example/", `/deliveries/${id}?done=retried`],
  ]) {
    const { headers } = await form(`/deliveries/${id}/retry`, { to: to! });
    assert.equal(headers.location, there);
    await settled("dead", 1);
  }
});

test("what a delivery waits for is said in words, with a link to what holds it", async (t) => {
  const { page, event, list, post, form } = await open(t, 200, {
    endpoints: [endpointTo("http://127.0.0.1:9/", { id: "far", retry: ["1h"] })],
  });
  await post("/endpoints/far/pause", { reason: "works" });
  await event({ wochitVideoId: "v1", title: "One" });
  await event({ wochitVideoId: "v1", title: "Two" });
  const [second] = await list();
  const { text } = await page(`/deliveries/${second.id}`);
  assert.match(text, /Why <bdi>far<\/bdi> does not have it yet/);
  assert.match(text, /its endpoint is paused until it is resumed\. Nothing is lost/);
  assert.match(text, /href="\/confirm\?do=cancel&amp;id=dlv_/);
  await post("/endpoints/far/resume");
  await waitFor(async () => (await list())[1].attempts === 1);
  const [, first] = await list();
  assert.match(
    (await page(`/deliveries/${second.id}`)).text,
    new RegExp(
      `<a href="/deliveries/${first.id}"><span class="id">${first.id}</span></a> of the same video goes first`,
    ),
  );
  assert.match((await page(`/deliveries/${first.id}`)).text, /the next attempt is at <time datetime="[^"]+"/);

  // How the one stands that goes first is told, too; a retry does not go past it, and says so.
  const behind = (await page(`/deliveries/${second.id}`)).text;
  assert.match(behind, /goes first: <b><bdi>connect ECONNREFUSED[^<]*<\/bdi><\/b>; the next attempt is at <time/);
  assert.match(behind, new RegExp(`href="/deliveries/${first.id}">Look at what goes first`));
  assert.match(behind, /<bdi>far<\/bdi> has not been asked yet\. It waits: /);
  const { headers } = await form(`/deliveries/${second.id}/retry`);
  assert.equal(headers.location, `/deliveries/${second.id}?done=retried-behind&of=${first.id}`);
  const told = (await page(String(headers.location))).text;
  assert.match(
    told,
    new RegExp(`in its turn: <a class="id" href="/deliveries/${first.id}">${first.id}</a> of the same`),
  );
  const forged = (await page(`/deliveries/${second.id}?done=retried-behind&of=%22%3E%3Cb%3E`)).text;
  assert.match(forged, /in its turn: another of the same video goes first/);
  const pending = (await page("/deliveries?state=pending")).text;
  assert.match(pending, /What failed the last time/);
  assert.match(pending, /behind <a href="\/deliveries\/dlv_/);
  assert.match(pending, /<button class="tiny" name="do" value="cancel" data-chosen="Cancel">/);
  await post("/endpoints/far/pause", { reason: "works" });
  const held = await form(`/deliveries/${first.id}/retry`);
  assert.equal(held.headers.location, `/deliveries/${first.id}?done=retried-held`);
  assert.match((await page(String(held.headers.location))).text, /as soon as its endpoint is sent to again/);
});

test("attempts after a retry are told beside those before it", async (t) => {
  const endpoints = [endpointTo("http://127.0.0.1:9/", { id: "far", retry: ["1ms", "1h"] })];
  const { page, event, list, post, get } = await open(t, 200, { endpoints });
  const eventId = await event({ wochitVideoId: "v1" });
  const tried = (many: number) => waitFor(async () => (await list())[0]?.attempts === many);
  await tried(2);
  const [{ id }] = await list();
  assert.match((await page(`/deliveries/${id}`)).text, />2 attempts, 1 left</);
  await post(`/deliveries/${id}/retry`);
  await tried(2);
  await waitFor(async () => (await get(`/deliveries/${id}`)).json.attemptLog.length === 4);
  const { text } = await page(`/deliveries/${id}`);
  assert.match(text, />4 attempts, 2 of them since its retry, 1 left</);
  assert.match(text, /gave no answer to all 4 attempts/);
  assert.match(text, /It was retried: 2 attempts were made since\. It waits: .* 1 attempt is left; nothing is lost/);
  const whole = (await page(`/events/${eventId}`)).text;
  assert.match(whole, /attempt 5, 3 of 3 since its retry/);
  assert.match(whole, /4 attempts, 2 of them since its retry/);
});

test("many attempts are folded, and the first and the last are not", async (t) => {
  const app = await openReceiver((_, nth) => ({ status: nth === 2 ? 400 : 422, body: `no ${nth}` }));
  t.after(() => app.close());
  const waits = Array<string>(5).fill("1ms");
  const endpoints = [endpointTo(app.url, { retry: waits, send: "immediately" })];
  const { page, event, settled, list } = await open(t, 200, { endpoints });
  await event({ wochitVideoId: "v1" });
  await settled("dead", 1);
  const [{ id }] = await list();
  const { text } = await page(`/deliveries/${id}`);
  const [, folded = ""] = /<details id="between">(.*?)<\/details>/s.exec(text) ?? [];
  assert.match(folded, /4 more attempts, <bdi>2 different outcomes/);
  assert.deepEqual(
    [...folded.matchAll(/no (\d)/g)].map(([, nth]) => nth),
    ["1", "2", "3", "4"],
  );
  assert.match(text.replace(folded, ""), /no 0.*no 5/s);
});

test("lists without rows say what that means, and what is wrong with a filter", async (t) => {
  const { page, event, settled } = await open(t, 200);
  assert.match((await page("/deliveries")).text, /Nothing was sent yet/);
  await event({ wochitVideoId: "v1" });
  await settled("delivered", 1);
  const all = (await page("/deliveries")).text;
  assert.match(all, /aria-current="page">All/);
  assert.equal(all.match(/<tr id="row-dlv_/g)?.length, 1);
  assert.doesNotMatch(all, /data-bulk/);
  assert.match((await page("/deliveries?state=dead")).text, /Nothing is dead/);
  assert.match((await page("/deliveries?videoId=v2")).text, /No delivery is like that/);
  for (const query of ["state=deed", "endpoint=ap", "since=then", "before=x"]) {
    const { status, text } = await page(`/deliveries?${query}`);
    assert.equal(status, 200);
    assert.match(text, /class="notice bad" role="alert"/, query);
  }
  const missing = await page("/deliveries/dlv_none%3Cb%3E");
  assert.equal(missing.status, 404);
  assert.doesNotMatch(missing.text, /<b>/);
});
