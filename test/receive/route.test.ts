import assert from "node:assert/strict";
import { test } from "node:test";
import { createAccept } from "../../src/receive/accept.ts";
import { openFrontDoor } from "../support/front-door.ts";

const READY = '{ "type" : "video.ready", "wochitVideoId" : "6094092472a9105747957aa3", "title":"\\ud83d\\ude00" }';

test("an event is answered 200 with its id once it is committed, whatever its content type", async (t) => {
  const { post, store } = await openFrontDoor(t);
  const answer = await post(READY, { headers: { "content-type": "text/plain" } });
  assert.equal(answer.status, 200);
  assert.equal(answer.json.status, "accepted");
  assert.match(answer.json.id, /^evt_/);
  assert.equal(Buffer.from(await store.eventBody(answer.json.id)).toString(), READY);
  const again = await post(READY);
  assert.deepEqual([again.status, again.json], [200, { id: answer.json.id, status: "duplicate" }]);
});

test("many requests at once are all committed", async (t) => {
  const { post, store } = await openFrontDoor(t);
  const bodies = Array.from({ length: 200 }, (_, n) =>
    JSON.stringify({ type: "draft.update", wochitVideoId: `v${n % 7}` }),
  );
  const answers = await Promise.all(bodies.map((body) => post(body)));
  assert.ok(answers.every(({ status, json }) => status === 200 && json.status === "accepted"));
  assert.equal(new Set(answers.map(({ json }) => json.id)).size, 200);
  assert.equal((await store.events({ limit: 1000 })).length, 200);
});

const BAD: [string, string | Uint8Array, string][] = [
  ["nothing", "", "invalid_json"],
  ["white space", "  \n", "invalid_json"],
  ["half a text", '{"wochitVideoId":"v1"', "invalid_json"],
  ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), "invalid_json"],
  ["a mebibyte of brackets", "[".repeat(2 ** 20), "invalid_json"],
  ["deep nesting without an object", "[".repeat(500_000) + "]".repeat(500_000), "invalid_event"],
  ["a list", "[]", "invalid_event"],
  ["null", "null", "invalid_event"],
  ["a number", "42", "invalid_event"],
  ["no id", "{}", "invalid_event"],
  ["an id that is a number", '{"wochitVideoId":1}', "invalid_event"],
  ["an id that is null", '{"wochitVideoId":null}', "invalid_event"],
  ["an empty id", '{"wochitVideoId":""}', "invalid_event"],
  ["a long id", JSON.stringify({ wochitVideoId: "é".repeat(129) }), "invalid_event"],
  ["a control character in the id", '{"wochitVideoId":"a\\u0000b"}', "invalid_event"],
  ["a lone surrogate in the id", '{"wochitVideoId":"\\ud800"}', "invalid_event"],
  ["an id that only a prototype has", '{"__proto__":{"wochitVideoId":"v1"}}', "invalid_event"],
];

test("what is no event is refused with one line, and its bytes are kept in quarantine", async (t) => {
  const { post, store } = await openFrontDoor(t);
  for (const [what, body, code] of BAD) {
    const { status, json } = await post(body);
    assert.equal(status, 400, what);
    assert.equal(json.error.code, code, what);
    assert.match(json.error.message, /^[^\n]{5,120}$/, what);
    const kept = await store.quarantinedBody(json.error.quarantineId);
    assert.deepEqual(Buffer.from(kept.body), Buffer.from(body), what);
    assert.equal(kept.reason, code, what);
  }
  assert.deepEqual(await store.events({ limit: 9 }), []);
});

test("hostile but usable bodies are accepted and kept byte for byte", async (t) => {
  const { post, store } = await openFrontDoor(t);
  const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const bodies = [
    `{"wochitVideoId":"deep","a":${nested}}`,
    '{"wochitVideoId":"first","wochitVideoId":"twice"}',
    '{"wochitVideoId":"proto","__proto__":{"type":"x"},"constructor":{"prototype":1}}',
    `{"wochitVideoId":"huge","n":${"9".repeat(5000)}e99999}`,
    `{"wochitVideoId":"nulls","type":null,"videoContext":null,"title":null,"videoUrl":null,"thumbnailUrl":7}`,
    `{"wochitVideoId":"../../etc/passwd","videoContext":"","type":{"a":1}}`,
    JSON.stringify({ wochitVideoId: "é".repeat(128) }),
    `\ufeff{"wochitVideoId":"bom"}`,
  ];
  for (const body of bodies) {
    const { status, json, text } = await post(body);
    assert.equal(status, 200, `${body.slice(0, 60)} ${text}`);
    assert.equal(Buffer.from(await store.eventBody(json.id)).toString(), body);
  }
  const ids = (await store.videos({ limit: 20 })).map(({ videoId }) => videoId);
  assert.ok(ids.includes("twice") && ids.includes("proto") && !ids.includes("first"));
});

test("a sender who is not allowed is refused, and what was sent can be reprocessed", async (t) => {
  const { post, store } = await openFrontDoor(t, { receive: { allowFrom: ["192.0.2.0/24"] } });
  const { status, json } = await post(READY);
  assert.deepEqual([status, json.error.code], [403, "source_not_allowed"]);
  const [kept] = await store.quarantined({ limit: 9 });
  assert.deepEqual([kept?.reason, kept?.sourceAddress], ["source", "127.0.0.1"]);
  const { wochitVideoId, type } = JSON.parse(READY);
  assert.deepEqual([kept?.videoId, kept?.type], [wochitVideoId, type], "what it says is in the list");
  const { body, receivedAt, sourceAddress } = await store.quarantinedBody(kept!.id);
  const accepted = await createAccept({ store })(body, sourceAddress, receivedAt);
  assert.equal((await store.event(accepted.id)).receivedAt, receivedAt);
});

test("behind a proxy the right-most address that is no trusted proxy counts, never a spoofed one", async (t) => {
  const { post } = await openFrontDoor(t, {
    server: { trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"] },
    receive: { allowFrom: ["54.81.68.237"] },
  });
  const from = async (forwarded: string | string[]) =>
    (
      await post(JSON.stringify({ wochitVideoId: "v", type: "draft.update" }), {
        headers: { "x-forwarded-for": forwarded },
      })
    ).status;
  assert.equal(await from("54.81.68.237"), 200);
  assert.equal(await from("203.0.113.9, 54.81.68.237, 10.1.1.1"), 200);
  assert.equal(await from(["203.0.113.9", "::ffff:54.81.68.237"]), 200);
  assert.equal(await from("54.81.68.237, 203.0.113.9"), 403);
  assert.equal(await from("54.81.68.237, garbage"), 403);
  assert.equal(await from("54.81.68.237,"), 403);
  assert.equal(await from("x".repeat(8000)), 403);
  assert.equal(await from(""), 403);
});

test("a forwarded header is not believed when the sender is no trusted proxy", async (t) => {
  const { post } = await openFrontDoor(t, { receive: { allowFrom: ["54.81.68.237"] } });
  assert.equal((await post(READY, { headers: { "x-forwarded-for": "54.81.68.237" } })).status, 403);
});

test("observe mode accepts what enforce would refuse, and says so", async (t) => {
  const { post, ports } = await openFrontDoor(t, { receive: { allowFrom: ["192.0.2.1"], mode: "observe" } });
  assert.equal((await post(READY)).status, 200);
  assert.ok(ports.log.facts.some(({ fact, fields }) => fact === "would refuse" && fields.why === "source"));
});

test("with a token configured the path must end in one of them", async (t) => {
  const { post } = await openFrontDoor(t, { receive: { token: ["old-token", "new-token"] } });
  const at = async (path: string) => (await post(READY, { path: `/webhooks/wochit${path}` })).status;
  assert.deepEqual([await at("/old-token"), await at("/new-token")], [200, 200]);
  assert.deepEqual([await at(""), await at("/wrong"), await at("/new-token/x")], [403, 403, 404]);
});

test("a proxy's word on the sender is read however many headers come before it", async (t) => {
  const { raw, store } = await openFrontDoor(t, {
    server: { trustedProxies: ["127.0.0.1"] },
    receive: { allowFrom: ["54.81.68.237"] },
  });
  for (const [sender, status] of [
    ["54.81.68.237", 200],
    ["203.0.113.9", 403],
  ] as const) {
    // By itself Node's server keeps a thousand headers of a request.
    const heads = `${"a:b\r\n".repeat(2_500)}X-Forwarded-For: ${sender}\r\n`;
    const rest = `connection: close\r\ncontent-length: ${READY.length}\r\n\r\n${READY}`;
    const answer = await raw(`POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\n${heads}${rest}`);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), sender);
  }
  const [event, ...more] = await store.events({ limit: 9 });
  assert.deepEqual([event?.sourceAddress, more], ["54.81.68.237", []]);
});

test("other methods and paths are told so", async (t) => {
  const { post } = await openFrontDoor(t);
  const wrong = await post("", { method: "GET" });
  assert.deepEqual([wrong.status, wrong.headers.allow, wrong.json.error.code], [405, "POST", "method_not_allowed"]);
  assert.equal((await post(READY, { path: "/webhooks/wochit/some-token" })).status, 404);
});

test("a body over the limit is refused by length or as it comes, and kept for a second look", async (t) => {
  const { post, raw, store } = await openFrontDoor(t, { receive: { maxBody: "1KiB" } });
  const big = JSON.stringify({ wochitVideoId: "v", title: "x".repeat(2000) });
  const answer = await post(big);
  assert.deepEqual([answer.status, answer.json.error.code], [413, "body_too_large"]);
  assert.match(answer.json.error.message, /1024/);
  const chunked = await raw(
    `POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`,
  );
  assert.match(chunked, /^HTTP\/1.1 413 /);
  const kept = await store.quarantined({ limit: 9 });
  assert.deepEqual(
    kept.map(({ reason, bytes }) => [reason, bytes]),
    [
      ["size", big.length],
      ["size", big.length],
    ],
  );
});

test("a huge body is refused without being read", async (t) => {
  const { raw, store } = await openFrontDoor(t);
  const answer = await raw("POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nabc");
  assert.match(answer, /^HTTP\/1.1 413 /);
  assert.deepEqual(await store.quarantined({ limit: 9 }), []);
});

test("slow requests end with 408, in their head as in their body", async (t) => {
  const timeouts = { headersTimeout: 200, requestTimeout: 300, connectionsCheckingInterval: 50 };
  const { raw } = await openFrontDoor(t, {}, timeouts);
  const [head, body] = await Promise.all([
    raw("POST /webhooks/wochit HTTP/1.1\r\nhost:"),
    raw("POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"),
  ]);
  for (const answer of [head, body]) {
    assert.match(answer, /^HTTP\/1.1 408 /);
    assert.equal(JSON.parse(answer.split("\r\n\r\n")[1]!).error.code, "request_timeout");
  }
});

test("headers that are too large end with 431, what is not HTTP with 400", async (t) => {
  const { raw } = await openFrontDoor(t);
  const large = await raw(`POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
  assert.match(large, /^HTTP\/1.1 431 [\s\S]*"headers_too_large"/);
  assert.match(await raw("hello\r\n\r\n"), /^HTTP\/1.1 400 [\s\S]*"bad_request"/);
  const smuggled = await raw(
    "POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
  );
  assert.match(smuggled, /^HTTP\/1.1 400 /);
});

test("an expectation that nobody knows of loses no event", async (t) => {
  const { post, store } = await openFrontDoor(t);
  assert.equal((await post(READY, { headers: { expect: "the-unexpected" } })).status, 200);
  assert.equal((await store.events({ limit: 9 })).length, 1);
});

test("of a body that broke off no event is made: what had come is kept, and the log says so", async (t) => {
  const { raw, post, store, ports } = await openFrontDoor(t);
  await raw('POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"wochitVideoId":"v1"}', {
    end: true,
  });
  assert.equal((await post(READY)).status, 200);
  assert.equal((await store.events({ limit: 9 })).length, 1);
  const [kept] = await store.quarantined({ limit: 9 });
  assert.deepEqual([kept?.reason, kept?.bytes], ["broken", 22]);
  const line = ports.log.facts.find(({ fact }) => fact === "request broke off");
  assert.deepEqual([line?.fields.from, line?.fields.quarantineId], ["127.0.0.1", kept?.id]);
  assert.match(String(line?.fields.why), /ended before/);
});

/** Heads of requests whose Host no URL can be made of, or that have none. */
const HOSTS = [
  "HTTP/1.0\r\n",
  "HTTP/1.1\r\n",
  ...["", "a, a", "relay.example.com:", "[fe80::1%25eth0]:80", "\xe9", "a b", "/", "x\r\nhost: y", "]", "a@b", "%"].map(
    (host) => `HTTP/1.1\r\nhost: ${host}\r\n`,
  ),
];

test("no request needs a Host, nor one that can be understood", async (t) => {
  const { raw, store } = await openFrontDoor(t);
  for (const [n, host] of HOSTS.entries()) {
    const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${n}` });
    const rest = `connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const answer = await raw(Buffer.from(`POST /webhooks/wochit ${host}${rest}`, "latin1"));
    assert.match(answer, /^HTTP\/1.1 200 [\s\S]*"accepted"/, host);
  }
  const absolute = ["http://relay.example.com", "https://a,a", "http://[x", "http://"];
  for (const [n, origin] of absolute.entries()) {
    const body = JSON.stringify({ type: "draft.update", wochitVideoId: `w${n}` });
    const answer = await raw(
      `POST ${origin}/webhooks/wochit?x=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    // Node's own parser refuses what is no URL at all; that is logged, and answered in our words.
    assert.match(answer, n === 0 ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 (200 |400 [\s\S]*"bad_request")/, origin);
  }
  assert.ok((await store.events({ limit: 99 })).length > HOSTS.length);
});

test("a proxy that names its client in a way that is not read is named in the log, once a minute", async (t) => {
  const { post, ports } = await openFrontDoor(t, { server: { trustedProxies: ["127.0.0.1"] } });
  const lines = () => ports.log.facts.filter(({ fact }) => fact === "a trusted proxy does not name its client");
  await post(READY, { headers: { "x-forwarded-for": "127.0.0.1" } });
  assert.equal(lines().length, 0);
  await post(READY, { headers: { "x-real-ip": "54.81.68.237" } });
  await post(READY, { headers: { "x-forwarded-for": "unknown" } });
  assert.equal(lines().length, 1);
  assert.match(String(lines()[0]?.fields.why), /X-Real-IP.*X-Forwarded-For/);
  const unread = await openFrontDoor(t, { server: { trustedProxies: ["127.0.0.1"] } });
  assert.equal((await unread.post(READY, { headers: { "x-forwarded-for": "_hidden, for=x" } })).status, 403);
  const [line] = unread.ports.log.facts.filter(({ level }) => level === "warn");
  assert.match(String(line?.fields.why), /X-Forwarded-For cannot be read/);
  const forwarded = await openFrontDoor(t, { server: { trustedProxies: ["127.0.0.1"] } });
  await forwarded.post(READY, { headers: { forwarded: "for=54.81.68.237" } });
  assert.match(String(forwarded.ports.log.facts[0]?.fields.why), /in Forwarded only/);
});

test("each request is counted by the type of its event and by what became of it", async (t) => {
  const { post, raw, ports } = await openFrontDoor(t, { receive: { maxBody: 1_000 } });
  await post(READY);
  await post(READY);
  await post('{"wochitVideoId":"v1"}');
  await post('{"type":7,"wochitVideoId":"v1"}');
  await post("no JSON");
  await post(`{"wochitVideoId":"v1","title":"${"x".repeat(1_000)}"}`);
  await post(READY, { path: "/elsewhere" });
  await post(READY, { method: "PUT" });
  await raw("POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{", { end: true });
  assert.deepEqual(ports.metrics.reported, [
    ["received", "video.ready", "accepted"],
    ["received", "video.ready", "duplicate"],
    ["received", "legacy", "accepted"],
    ["received", null, "accepted"],
    ["received", null, "quarantined"],
    ["refused", "size"],
    ["refused", "path"],
    ["refused", "method"],
    ["refused", "broken"],
  ]);
});

test("what is refused, or would be, is counted, and so is an event that cannot be committed", async (t) => {
  const stranger = { headers: { "x-forwarded-for": "9.9.9.9" } };
  const server = { trustedProxies: ["127.0.0.1"] };
  const receive = { token: "a-token-of-the-provider-1234" };
  const strict = await openFrontDoor(t, { server, receive });
  await strict.post(READY, stranger);
  await strict.post(READY, { headers: { "x-forwarded-for": "127.0.0.1" } });
  await strict.post(READY, { ...stranger, path: "/elsewhere" });
  assert.deepEqual(strict.ports.metrics.reported, [
    ["refused", "source"],
    ["eventRefused"],
    ["refused", "token"],
    ["refused", "stray"],
  ]);
  const open = await openFrontDoor(t, { server, receive: { mode: "observe" } });
  await open.post(READY, stranger);
  assert.deepEqual(open.ports.metrics.reported, [
    ["refused", "source", { isTaken: true }],
    ["received", "video.ready", "accepted"],
  ]);
  const closed = await openFrontDoor(t);
  await closed.store.close();
  assert.equal((await closed.post(READY)).status, 503);
  assert.deepEqual(closed.ports.metrics.reported, [["received", null, "unavailable"]]);
});

test("a request's trace is kept with its event and named in its line; one that is not valid is none", async (t) => {
  const { post, store, ports } = await openFrontDoor(t);
  const id = "0af7651916cd43dd8448eb211c80319c";
  const send = async (videoId: string, headers: Record<string, string | string[]>) => {
    const body = JSON.stringify({ type: "draft.new", wochitVideoId: videoId });
    const { json } = await post(body, { headers });
    const line = ports.log.facts.find(({ fields }) => fields.event === json.id);
    return [(await store.event(json.id)).trace, line?.fields.trace];
  };
  const traceparent = `00-${id}-b7ad6b7169203331-01`;
  const trace = { id, parent: "b7ad6b7169203331", flags: "01", state: "a=1,b=2" };
  assert.deepEqual(await send("v1", { traceparent, tracestate: ["a=1", "b=2"] }), [trace, id]);
  assert.deepEqual(await send("v2", { traceparent: "00-nonsense" }), [undefined, undefined]);
  assert.deepEqual(await send("v3", {}), [undefined, undefined]);
});

test("strangers write thirty lines a minute into the log, and a store that fails one; all are counted", async (t) => {
  const door = await openFrontDoor(t, { server: { trustedProxies: ["127.0.0.1"] } });
  const lines = (fact: string) => door.ports.log.facts.filter((line) => line.fact === fact).length;
  const counted = (name: string) => door.ports.metrics.reported.filter(([reported]) => reported === name).length;
  const headers = { "x-forwarded-for": "9.9.9.9" };
  await Promise.all(Array.from({ length: 40 }, () => door.post(READY, { headers })));
  assert.deepEqual([lines("request refused"), counted("refused")], [30, 40]);
  await door.store.close();
  for (let n = 0; n < 3; n++) assert.equal((await door.post(READY, { headers: {} })).status, 503);
  assert.deepEqual([lines("request not taken"), counted("received")], [1, 3]);
});
