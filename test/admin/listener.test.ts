import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { READER, startAdmin, TOKEN } from "../support/admin.ts";
import { sendRaw } from "../support/front-door.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { listen } from "../support/listen.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("everything needs a token, and a token that may read changes nothing", async (t) => {
  const { ask, get, post } = await startAdmin(t);
  const first = await ask("GET", "/", { token: null });
  assert.deepEqual([first.status, first.headers["www-authenticate"]], [401, undefined], "a page to log in");
  for (const path of ["/api/v1/events", "/api/v1/nowhere", "/nowhere", "/openapi.json"]) {
    const { status, json, headers } = await ask("GET", path, { token: null });
    assert.deepEqual([status, json.error.code], [401, "unauthorized"], path);
    assert.equal(headers["www-authenticate"], 'Bearer realm="wochit-relay"');
  }
  assert.equal((await get("/events", { token: "wrong" })).status, 401);
  assert.equal((await get("/events")).status, 200);
  assert.equal((await get("/events", { token: READER })).status, 200);
  const refused = await post("/endpoints/app/pause", {}, { token: READER });
  assert.deepEqual([refused.status, refused.json.error.code], [403, "forbidden"]);
  assert.match(refused.json.error.message, /"prometheus" may read only/);
  const head = await ask("HEAD", "/api/v1/events", { token: READER });
  assert.deepEqual([head.status, head.text], [200, ""]);
});

test("what a monitor reads needs a token that may read", async (t) => {
  const { ask } = await startAdmin(t);
  assert.equal((await ask("GET", "/metrics", { token: null })).status, 401);
  const { status, text } = await ask("GET", "/metrics", { token: READER });
  assert.equal(status, 200);
  assert.match(text, /^wochit_relay_build_info\{/m);
});

test("answers are not cached, framed, sniffed, or shared with other origins", async (t) => {
  const { get } = await startAdmin(t);
  for (const { headers } of [
    await get("/events", { headers: { origin: "https://evil.example" } }),
    await get("/events", { token: null }),
  ]) {
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["x-frame-options"], "DENY");
    assert.match(String(headers["content-security-policy"]), /^default-src 'none'/);
    assert.equal(headers["strict-transport-security"], undefined);
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
});

test("a Host that is not of this machine is refused before its token is looked at", async (t) => {
  const { ask, port } = await startAdmin(t);
  const answer = await ask("GET", "/api/v1/events", { headers: { host: "evil.example" } });
  assert.deepEqual([answer.status, answer.json.error.code], [403, "forbidden"]);
  assert.equal((await ask("GET", "/", { headers: { host: "evil.example" }, token: null })).status, 403);
  assert.equal((await ask("GET", "/api/v1/events", { headers: { host: "localhost" } })).status, 200);
  const two = `GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`;
  assert.doesNotMatch(await sendRaw(port(), two, { end: true }), /^HTTP\/1\.1 200/);
});

test("who guesses is slowed down, by the address behind a trusted proxy, and a right token never", async (t) => {
  const { get } = await startAdmin(t, { server: { trustedProxies: ["127.0.0.1"] } });
  const from = (address: string) => ({ "x-forwarded-for": address });
  for (let n = 0; n < 10; n++) {
    assert.equal((await get("/events", { token: "wrong", headers: from("192.0.2.1") })).status, 401);
  }
  const late = await get("/events", { token: "wrong", headers: from("192.0.2.1") });
  assert.deepEqual([late.status, late.json.error.code], [429, "too_many_requests"]);
  assert.equal((await get("/events", { headers: from("192.0.2.1") })).status, 200);
  assert.equal((await get("/events", { token: "wrong", headers: from("192.0.2.2") })).status, 401);
});

test("without a token in the config one is made, whose place the log has, and never its value", async (t) => {
  const { relay, get } = await startAdmin(t, { admin: { token: null } });
  const path = join(relay.config.dataDir, "admin-token");
  const token = readFileSync(path, "utf8").trim();
  assert.equal((await get("/events", { token })).status, 200);
  const log = JSON.stringify(relay.ports.log.facts);
  assert.ok(log.includes(path) && !log.includes(token) && !log.includes(READER));
});

test("a token that others could read holds, with a warning; without its file a reload makes another", async (t) => {
  const { relay, get } = await startAdmin(t, { admin: { token: null } });
  const path = join(relay.config.dataDir, "admin-token");
  const token = readFileSync(path, "utf8").trim();
  const warnings = () => relay.ports.log.facts.filter(({ level, fact }) => level === "warn" && /token/.test(fact));
  assert.deepEqual(warnings(), []);
  chmodSync(path, 0o644);
  await relay.reload({ admin: { listen: "127.0.0.1:0" } });
  await waitFor(() => warnings().length === 1);
  assert.match(warnings()[0]!.fact, /^other users of this machine could read the admin token until now/);
  assert.deepEqual(warnings()[0]!.fields, { file: path });
  assert.equal((await get("/events", { token })).status, 200);
  rmSync(path);
  await relay.reload({ admin: { listen: "127.0.0.1:0" } });
  await waitFor(() => existsSync(path));
  const other = readFileSync(path, "utf8").trim();
  await waitFor(async () => (await get("/events", { token: other })).status === 200);
  assert.equal((await get("/events", { token })).status, 401);
  assert.equal(warnings().length, 1);
});

test("a reload changes the tokens, the address, and whether there is a listener; another's port refuses the whole config", async (t) => {
  const { relay, get, listening, port } = await startAdmin(t);
  const first = port();
  const other = "another-token-of-the-operator";
  await relay.reload({ admin: { listen: "127.0.0.1:0", token: other } });
  await waitFor(async () => (await get("/events", { token: other })).status === 200);
  assert.equal((await get("/events")).status, 401);
  assert.equal(port(), first, "the same listener");

  await relay.reload({ admin: { listen: "localhost:0", token: other } });
  await listening(2);
  assert.notEqual(port(), first);
  assert.equal((await get("/events", { token: other })).status, 200);

  const taken = await listen(t, createServer());
  const refused = relay.reload({ admin: { listen: `127.0.0.1:${taken.port}` }, receive: { maxBody: 1 } });
  await assert.rejects(refused, /cannot listen on/);
  assert.equal((await get("/events", { token: other })).status, 200, "the old config holds");

  const last = port();
  await relay.reload({ admin: null });
  await waitFor(() =>
    fetch(`http://127.0.0.1:${last}/`).then(
      () => false,
      () => true,
    ),
  );
});

test("a port that is taken keeps no event out, and is tried again", async (t) => {
  const server = createServer();
  const taken = await listen(null, server);
  const relay = await startRelay({ admin: { listen: `127.0.0.1:${taken.port}`, token: TOKEN } });
  t.after(() => relay.close());
  const facts = () => relay.ports.log.facts.map(({ fact }) => fact);
  assert.ok(facts().includes("the admin listener cannot be opened: it is tried again"));
  const post = await fetch(relay.webhooks, { method: "POST", body: '{"type":"video.ready","wochitVideoId":"a"}' });
  assert.equal(post.status, 200);
  await taken.close();
  await waitFor(() => facts().includes("admin listening"));
});

test("what is not there, what takes another method, and a body that is too large or no JSON have errors of one shape", async (t) => {
  const { ask, get, post } = await startAdmin(t);
  const codes = async (answer: ReturnType<typeof ask>) => {
    const { status, json } = await answer;
    assert.deepEqual(Object.keys(json), ["error"]);
    return [status, json.error.code];
  };
  assert.deepEqual(await codes(get("/nowhere")), [404, "not_found"]);
  assert.deepEqual(await codes(get("/events/evt_nowhere")), [404, "not_found"]);
  const other = await ask("DELETE", "/api/v1/events");
  assert.deepEqual(
    [other.status, other.json.error.code, other.headers.allow],
    [405, "method_not_allowed", "GET, HEAD"],
  );
  assert.deepEqual(await codes(ask("POST", "/api/v1/replay", { raw: "{" })), [400, "invalid_json"]);
  assert.deepEqual(await codes(ask("POST", "/api/v1/replay", { raw: `"${"x".repeat(2 ** 20)}"` })), [
    413,
    "body_too_large",
  ]);
  const wrong = await post("/replay", { endpoint: 1, tpye: "a" });
  assert.deepEqual([wrong.status, wrong.json.error.code], [400, "bad_request"]);
  assert.deepEqual(
    wrong.json.error.details.map(({ path }: { path: string }) => path),
    ["tpye", "endpoint"],
  );
  const query = await get("/events?limit=501&limti=1");
  assert.deepEqual([query.status, query.json.error.code], [400, "invalid_query"]);
  assert.deepEqual(await codes(get("/events?limit=1&limit=2")), [400, "invalid_query"]);
});

test("what is wrong is named by its own place, whatever stored words are like", async (t) => {
  const { get, post, event } = await startAdmin(t);
  await event({ type: "has a title", wochitVideoId: "v1" });
  const pathsOf = async (answer: ReturnType<typeof get>) => {
    const { status, json } = await answer;
    return [status, ...json.error.details.map(({ path }: { path: string }) => path)];
  };
  assert.deepEqual(await pathsOf(get("/events?type=nothing.like.it")), [400, "type"]);
  assert.deepEqual(await pathsOf(get("/events?q=ab")), [400, "q"]);
  assert.deepEqual(await pathsOf(get("/events?endpoint=ghost")), [400, "endpoint"]);
  assert.deepEqual(await pathsOf(post("/media/verify", { bytesPerSecond: 1e300 })), [400, "bytesPerSecond"]);
});

test("of a body with very many problems few are looked for: meanwhile no event could be taken in", async (t) => {
  const { post } = await startAdmin(t);
  const problemsOf = async (path: string, body: object) => {
    const { status, json } = await post(path, body);
    assert.deepEqual([status, json.error.code], [400, "bad_request"]);
    return json.error.details.map(({ path }: { path: string }) => path);
  };
  const keys = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`key${at}`, 0]));
  assert.deepEqual((await problemsOf("/prune", keys)).length, 100);
  assert.deepEqual((await problemsOf("/deliveries/retry", { ids: Array(1_000).fill(0) })).length, 100);
  assert.deepEqual(await problemsOf("/deliveries/retry", { ids: Array(1_001).fill(0) }), ["ids[0]"]);
  assert.deepEqual(await problemsOf("/deliveries/retry", { ids: Array(1_001).fill("a") }), ["ids"]);
});

test("while the store cannot be opened each operation answers 503, and status says why", async (t) => {
  const { relay, get, post, listening } = await startAdmin(t);
  await relay.stop();
  const holder = await holdDatabase(t, relay.config.dataDir, 600_000);
  await relay.restart();
  await listening(2);
  const events = await get("/events");
  assert.deepEqual([events.status, events.json.error.code], [503, "store_unavailable"]);
  assert.equal((await post("/events/evt_1/replay", {})).status, 503);
  const { status, json } = await get("/status");
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(json), ["dataDir", "relay"]);
  assert.match(json.relay.troubles[0], /^events cannot be committed: /);
  holder.kill("SIGKILL");
  await waitFor(async () => (await get("/events")).status === 200);
});
