import assert from "node:assert/strict";
import { test } from "node:test";
import { newLogin } from "../../src/admin/sessions.ts";
import { openStore } from "../../src/store/open.ts";
import { READER, TOKEN } from "../support/admin.ts";
import { OWN, openDashboard } from "../support/dashboard.ts";

const HOUR = 3_600_000;

test("a page asks for the token, and leads back to where one wanted to go", async (t) => {
  const { page, login, form } = await openDashboard(t);
  const wall = await page("/events?status=dead");
  assert.equal(wall.status, 401);
  assert.match(wall.text, /<form[^>]* method="post" action="\/login"/);
  assert.match(wall.text, /name="to" value="\/events\?status=dead"/);
  assert.match(wall.text, /autocomplete="current-password"/);
  const wrong = await form("/login", { token: "wrong", to: "/events?status=dead" });
  assert.equal(wrong.status, 401);
  assert.match(wrong.text, /role="alert".*no token of this relay/s);
  assert.match(wrong.text, /name="to" value="\/events\?status=dead"/);
  assert.equal(wrong.headers["set-cookie"], undefined);
  assert.equal((await form("/login", { pad: "x".repeat(2 ** 14), token: TOKEN })).status, 401, "much too long");
  const right = await login(TOKEN, "/events?status=dead");
  assert.deepEqual([right.status, right.headers.location], [303, "/events?status=dead"]);
  const [cookie] = right.headers["set-cookie"]!;
  assert.match(cookie!, /^wochit-relay-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  const shown = await page("/events?status=dead");
  assert.equal(shown.status, 200);
  assert.match(shown.text, /<h1[^>]*>Events<\/h1>/);
});

test("a login leads to a page of this listener only", async (t) => {
  const { form, page, port } = await openDashboard(t);
  for (const to of [
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
    "/a\nb",
    "",
  ]) {
    const { headers } = await form("/login", { token: TOKEN, to });
    assert.equal(headers.location, "/", JSON.stringify(to));
  }
  const { text } = await (await import("../support/front-door.ts")).send(
    port(),
    { method: "GET", path: "//evil.example/x", headers: { accept: "text/html", "sec-fetch-site": "cross-site" } },
    "",
  );
  assert.doesNotMatch(text, /evil\.example/);
  assert.equal((await page("/login?to=//evil.example")).text.includes("evil.example"), false);
});

test("a link from a chat, which comes without the cookie, asks for itself once more", async (t) => {
  const { page, login, jar } = await openDashboard(t);
  const first = await page("/events?type=video.ready&q=abc", { "sec-fetch-site": "cross-site" });
  assert.equal(first.status, 200);
  assert.match(first.text, /<meta http-equiv="refresh" content="0;url=\/events\?type=video\.ready&amp;q=abc">/);
  await login();
  assert.equal((await page("/events", { "sec-fetch-site": "same-origin" })).status, 200);
  jar.clear();
  assert.equal((await page("/events", { "sec-fetch-site": "same-origin" })).status, 401, "asked again, it is no loop");
});

test("a session ends with a logout, and with its token", async (t) => {
  const { page, login, form, jar, relay } = await openDashboard(t);
  await login();
  const kept = new Map(jar);
  const again = () => [...kept].forEach(([name, value]) => void jar.set(name, value));
  const out = await form("/logout");
  assert.deepEqual([out.status, out.headers.location], [303, "/login?done=logged-out"]);
  assert.match(out.headers["set-cookie"]![0]!, /=; .*Max-Age=0/);
  again();
  assert.equal((await page("/events")).status, 401, "logged out, not only forgotten");
  jar.clear();
  await login();
  assert.equal((await page("/events")).status, 200);
  await relay.reload({ admin: { listen: "127.0.0.1:0", token: "another-token-of-the-operator" } });
  assert.equal((await page("/events")).status, 401, "its token is another one");
});

test("a session outlives the process", async (t) => {
  const { page, login, relay, jar, listening } = await openDashboard(t);
  await login();
  await relay.restart();
  await listening(2);
  // The port is another one by now, and its name in the cookie.
  const [[, id] = []] = jar;
  jar.clear();
  for (const port of [new URL(lastUrl(relay)).port]) jar.set(`wochit-relay-${port}`, id!);
  assert.equal((await page("/events")).status, 200);
});

const lastUrl = ({ ports }: { ports: { log: { facts: { fact: string; fields: Record<string, unknown> }[] } } }) =>
  String(ports.log.facts.filter(({ fact }) => fact === "admin listening").at(-1)!.fields.url);

test("only what a browser of this machine has logged in with is a session", async (t) => {
  const { page, jar, port } = await openDashboard(t);
  for (const value of ["", "x", "0".repeat(43), TOKEN]) {
    jar.set(`wochit-relay-${port()}`, value);
    assert.equal((await page("/events")).status, 401, value);
  }
});

test("after ten wrong tokens each answer is late, and the right token is still taken", async (t) => {
  const { form, login } = await openDashboard(t);
  for (let n = 1; n <= 10; n++) assert.equal((await form("/login", { token: `wrong ${n}` })).status, 401);
  const began = performance.now();
  const late = await form("/login", { token: "wrong" });
  assert.equal(late.status, 429);
  assert.ok(performance.now() - began >= 1_900);
  assert.match(late.text, /two seconds/);
  assert.equal((await login()).status, 303);
});

test("a link logs in once", async (t) => {
  const { page, send, relay, jar } = await openDashboard(t);
  const store = await openStore(relay.config, relay.ports, { role: "operator" });
  const token = { name: "admin", can: "operate", token: TOKEN } as const;
  const { code, link } = newLogin(token, relay.ports.random, relay.ports.clock.now() + HOUR);
  await store.offerLogin(link);
  await store.close();
  assert.equal((await send("HEAD", `/login?once=${code}`)).status, 503, "it was only looked at");
  const first = await page(`/login?once=${code}`);
  assert.deepEqual([first.status, first.headers.location], [303, "/"]);
  assert.equal((await page("/events")).status, 200);
  jar.clear();
  const second = await page(`/login?once=${code}`);
  assert.deepEqual([second.status, second.headers.location], [303, "/login?done=once-used"]);
  assert.match((await page("/login?done=once-used")).text, /used before/);
});

test("logins and their ends are in the audit, with the address", async (t) => {
  const { login, form, get } = await openDashboard(t);
  for (let n = 0; n < 3; n++) await form("/login", { token: "wrong" });
  await login();
  await form("/logout");
  const { json } = await get("/audit");
  const rows = json.data.map(({ verb, by, through }: Record<string, string>) => [verb, by, through]);
  assert.deepEqual(rows, [
    ["log out", "admin@127.0.0.1", "dashboard"],
    ["log in", "admin@127.0.0.1", "dashboard"],
    ["log in refused", "127.0.0.1", "dashboard"],
  ]);
});

test("a session authorizes the API, and its changes are the dashboard's", async (t) => {
  const { login, send, get, relay } = await openDashboard(t, { endpoints: [APP] });
  const json = { accept: "application/json" };
  assert.equal((await send("GET", "/api/v1/events", { headers: json })).status, 401);
  await login();
  assert.equal((await send("GET", "/api/v1/events", { headers: json })).status, 200);
  assert.equal((await send("GET", "/openapi.json", { headers: json })).status, 200);
  const paused = await send("POST", "/api/v1/endpoints/app/pause", { headers: { ...json, ...OWN }, body: "{}" });
  assert.equal(paused.status, 200);
  const [{ through, verb }] = (await get("/audit")).json.data;
  assert.deepEqual([through, verb], ["dashboard", "endpoints pause"]);
  assert.equal(relay.config.endpoints.length, 1);
});

test("a login with a token that may read shows pages and changes nothing", async (t) => {
  const { login, page, send } = await openDashboard(t, { endpoints: [APP] });
  assert.equal((await login(READER)).status, 303);
  assert.equal((await page("/events")).status, 200);
  const refused = await send("POST", "/api/v1/endpoints/app/pause", { headers: OWN, body: "{}" });
  assert.deepEqual([refused.status, refused.json.error.code], [403, "forbidden"]);
});

const APP = {
  id: "app",
  url: "http://127.0.0.1:9/",
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
};
