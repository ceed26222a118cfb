import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { TOKEN } from "../support/admin.ts";
import { openDashboard } from "../support/dashboard.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { listen } from "../support/listen.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("the overview says what needs a person, and is calm when nothing does", async (t) => {
  const refusing = await listen(
    t,
    createServer((_, response) => response.writeHead(413).end("too large")),
  );
  const app = endpointTo(refusing.url, { retry: ["1ms"] });
  const { login, page, form, event, get } = await openDashboard(t, { endpoints: [app], mirror: { enabled: false } });
  await login();
  const calm = await page("/");
  assert.match(calm.text, /<h1[^>]*>All is well<\/h1>/);
  assert.match(calm.text, /No event has come yet/);
  await form("/endpoints/app/pause", { reason: "maintenance" });
  await waitFor(async () => /<h1[^>]*>Nothing needs you yet/.test((await page("/")).text));
  assert.match((await page("/")).text, /<a href="\/endpoints\/app">app<\/a> is paused\./);
  await form("/endpoints/app/resume");
  await event({ wochitVideoId: "v1", title: "<b>Hello</b>" });
  await waitFor(async () => (await get("/deliveries?state=dead")).json.data.length === 1);
  await waitFor(async () => /1 thing needs you/.test((await page("/")).text));
  const { text } = await page("/");
  assert.match(text, /<a href="\/deliveries\?endpoint=app&amp;state=dead"><bdi>1 delivery to app is dead/);
  assert.match(text, /href="\/confirm\?do=retry&amp;endpoint=app&amp;state=dead">Retry 1…/);
  assert.match(text, /<dt>Events in 24 h<\/dt><dd>1</);
  assert.match(text, /&lt;b&gt;Hello&lt;\/b&gt;/);
  assert.doesNotMatch(text, /Silenced/);
  assert.match((await page("/settings")).text, /these pages only/);
});

test("a silenced alarm is shown as such, and the settings say where alarms go and which of them takes none", async (t) => {
  const [chat, gone] = await Promise.all([openReceiver(), openReceiver(500)]);
  t.after(() => Promise.all([chat.close(), gone.close()]));
  const app = await openReceiver(413);
  t.after(() => app.close());
  const { login, page, event, post } = await openDashboard(t, {
    endpoints: [endpointTo(app.url, { retry: [] })],
    mirror: { enabled: false },
    alerts: {
      to: [
        { name: "newsroom", url: `${chat.url}/hush`, format: "json" },
        { url: `${gone.url}/hush`, format: "json" },
      ],
    },
  });
  await login();
  await event({ wochitVideoId: "v1" });
  await waitFor(() => chat.requests.length > 0 && gone.requests.length > 0);
  assert.equal((await post("/alerts/DeliveriesDead/silence", { for: "2h" })).status, 200);
  await waitFor(async () => /1 delivery to app is dead[\s\S]*Silenced until <time/.test((await page("/")).text));
  const { text } = await waitFor(async () => {
    const found = await page("/settings");
    return /takes nothing since .*: <bdi>HTTP 500/.test(found.text) && found;
  });
  const places = [chat, gone].map(({ url }) => new URL(url).host);
  for (const place of places) assert.ok(text.includes(place));
  assert.match(text, />newsroom<\/span> at <span/);
  assert.match(text, /, the last /);
  assert.doesNotMatch(text, /hush/);
});

test("what has an id, and what only one video is, is shown at once; all else is listed", async (t) => {
  const app = endpointTo("http://127.0.0.1:9/");
  const { login, page, event } = await openDashboard(t, { endpoints: [app] });
  const id = await event({ wochitVideoId: "v/1 ?#%", videoContext: "page-1", title: "Flood in the valley" });
  await event({ wochitVideoId: "v2", videoContext: "page-2", title: "The flood recedes" });
  await event({ wochitVideoId: "v3", videoContext: "page-2", title: "Weather" });
  await login();
  const find = async (q: string) => {
    const { status, headers, text } = await page(`/find?q=${encodeURIComponent(q)}`);
    return status === 303 ? headers.location : text;
  };
  assert.equal(await find(id), `/events/${id}`);
  assert.equal(await find("v2"), "/videos/v2");
  assert.equal(await find("v/1 ?#%"), "/videos/v%2F1%20%3F%23%25");
  assert.equal(await find("page-1"), "/videos/v%2F1%20%3F%23%25");
  assert.equal(await find("weath"), "/videos/v3");
  assert.equal(await find("app"), "/endpoints/app");
  const contexts = (await find("page-2"))!;
  assert.match(contexts, /2 videos have, or had, exactly this context\./);
  assert.match(contexts, /href="\/videos\/v2"/);
  assert.match(contexts, /href="\/videos\/v3"/);
  const titles = (await find("flood"))!;
  assert.match(titles, /2 titles hold it/);
  assert.match(titles, /value="flood"/);
  assert.match((await find("evt_06ff3nqk0003nhckv"))!, /Nothing has this id/);
  assert.match((await find("<i>none</i>"))!, /Nothing is like that/);
  assert.doesNotMatch((await find("<i>none</i>"))!, /<i>/);
  assert.match((await find(""))!, /What can be found/);
});

test("settings show doctor's findings and the config without its secrets", async (t) => {
  const app = endpointTo("http://user:hidden-word@127.0.0.1:9/");
  const { login, page, form, get } = await openDashboard(t, { endpoints: [app] });
  await login();
  const first = await page("/settings");
  assert.match(first.text, /not asked since the start/);
  assert.doesNotMatch(first.text, new RegExp(`hidden-word|${TOKEN}|whsec_`));
  const begun = await form("/settings/doctor");
  assert.deepEqual([begun.status, begun.headers.location], [303, "/settings?done=examining"]);
  assert.match((await page("/settings?done=examining")).text, /role="status".*Doctor looks at everything now/s);
  await waitFor(async () => /looked <span/.test((await page("/settings")).text));
  const { text } = await page("/settings");
  assert.match(text, /<caption class="sr">What doctor found/);
  assert.equal((await get("/audit")).json.data[0].verb, "doctor");
  assert.equal((await page("/settings/doctor")).headers.location, "/settings", "the address of a form, as a page");
});

test("the audit lists what was done, and by whom", async (t) => {
  const { login, page, form } = await openDashboard(t);
  await login();
  await form("/settings/doctor");
  const { text } = await page("/audit");
  const found = [...text.matchAll(/<td class="main"><b><bdi>([^<]+)/g)].map(([, verb]) => verb);
  assert.deepEqual(found, ["doctor", "log in"]);
  assert.match((await page("/audit?verb=doctor")).text, /doctor/);
  assert.match((await page("/audit?verb=log%20out%20everywhere")).text, /No change is like that/);
  // What it could be stands in the form: a list of all would bury it.
  const wrong = (await page("/audit?verb=nothing")).text;
  assert.match(wrong, /role="alert".*verb: &quot;nothing&quot; is none of what can be chosen here/);
  assert.doesNotMatch(wrong, /must be/);
});

test("log out everywhere ends all sessions", async (t) => {
  const { login, page, form, jar } = await openDashboard(t);
  await login();
  const other = new Map(jar);
  jar.clear();
  await login();
  const out = await form("/settings/log-out-everywhere");
  assert.equal(out.headers.location, "/login?done=logged-out-everywhere&n=2");
  assert.match((await page("/login?done=logged-out-everywhere&n=2")).text, /on every browser: 2/);
  for (const [name, value] of other) jar.set(name, value);
  assert.equal((await page("/events")).status, 401);
});

test("a notice is one of those that there are, and says nothing that an address tells it to", async (t) => {
  const { login, page } = await openDashboard(t);
  await login();
  for (const query of ["done=toString", "done=<b>x</b>", "done=logged-out-everywhere&n=<b>", "done=constructor"]) {
    const { text } = await page(`/events?${query}`);
    assert.doesNotMatch(text, /<b>x|<b>"|native code|function/, query);
  }
});

test("while the database cannot be used pages say so, and the settings and a login still work", async (t) => {
  const { login, page, relay, listening, form } = await openDashboard(t);
  await login();
  await relay.stop();
  const holder = await holdDatabase(t, relay.config.dataDir, 600_000);
  await relay.restart({ admin: { listen: "127.0.0.1:0", token: TOKEN } });
  await listening(2);
  // Sessions of before cannot be looked up.
  assert.equal((await page("/events")).status, 401);
  assert.equal((await login()).status, 303);
  const { status, headers, text } = await page("/events?status=dead");
  assert.equal(status, 503);
  assert.match(text, /The database cannot be used now/);
  assert.match(text, /<bdi>Events cannot be committed: /);
  assert.match(text, /href="\/events\?status=dead">Look again/);
  assert.equal(headers["cache-control"], "no-store");
  for (const path of ["/", "/find?q=abc", "/audit"]) assert.equal((await page(path)).status, 503, path);
  const settings = await page("/settings");
  assert.equal(settings.status, 200);
  assert.match(settings.text, /class="notice bad" role="alert".*events cannot be committed/s);
  assert.match(settings.text, /<dt>logins<\/dt><dd>not known now/);
  assert.equal((await form("/settings/doctor")).status, 303);
  await waitFor(async () => /looked <span/.test((await page("/settings")).text));
  holder.kill("SIGKILL");
  await waitFor(async () => (await page("/events")).status === 200);
});
