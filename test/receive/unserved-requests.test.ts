import assert from "node:assert/strict";
import { connect } from "node:net";
import { resolve } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { createAcceptKept } from "../../src/receive/accept.ts";
import { shownPath } from "../../src/receive/unserved-requests.ts";
import { openFrontDoor } from "../support/front-door.ts";
import { waitFor } from "../support/wait.ts";

type Door = Awaited<ReturnType<typeof openFrontDoor>>;

const event = (videoId: string) => JSON.stringify({ type: "video.ready", wochitVideoId: videoId });

function refusals({ ports }: Door): Record<string, unknown>[] {
  return ports.log.facts
    .filter(({ fact }) => fact === "request refused")
    .map(({ level, fields }) => ({ level, ...fields }));
}

test("what an allowed sender sends to another path, or by another method, is logged, kept, and can be taken in", async (t) => {
  const door = await openFrontDoor(t);
  const { post, store } = door;
  const cases: [string, string, number, string][] = [
    ["POST", "//webhooks/wochit", 404, "path"],
    ["POST", "/webhooks", 404, "path"],
    ["POST", "/", 404, "path"],
    ["POST", "/Webhooks/Wochit", 404, "path"],
    ["POST", "/webhooks/wochit/", 200, ""],
    ["POST", "/webhooks\\wochit", 404, "path"],
    ["POST", "*", 404, "path"],
    ["PUT", "/webhooks/wochit", 405, "method"],
    ["PATCH", "/webhooks/wochit", 405, "method"],
    ["POST", "/healthz", 405, "method"],
    ["POST", "/media/x", 405, "method"],
  ];
  const accept = createAcceptKept({ store });
  for (const [method, path, status, why] of cases) {
    const seen = refusals(door).length;
    const text = event(`${method} ${path}`);
    assert.equal((await post(text, { method, path: `${path}?key=secret` })).status, status, path);
    const [line] = refusals(door).slice(seen);
    if (status === 200) continue;
    const { quarantineId, path: shown, ...rest } = line as Record<string, unknown>;
    assert.deepEqual(rest, {
      level: "warn",
      from: "127.0.0.1",
      method,
      why,
      takes: "events are taken at POST /webhooks/wochit",
    });
    assert.equal(
      (await store.quarantined({ limit: 1 }))[0]!.detail,
      `${method} ${shown}; events are taken at POST /webhooks/wochit`,
    );
    assert.ok(!String(shown).includes("secret"), String(shown));
    const kept = await store.quarantinedBody(String(quarantineId));
    assert.deepEqual([kept.reason, Buffer.from(kept.body).toString()], [why, text]);
    assert.equal((await accept(kept.body, kept.sourceAddress, kept.receivedAt)).status, "accepted");
  }
  const before = refusals(door).length;
  for (const [method, path] of [
    ["GET", "/webhooks/wochit"],
    ["GET", "/favicon.ico"],
    ["OPTIONS", "*"],
  ] as const)
    await post("", { method, path });
  assert.deepEqual(
    refusals(door)
      .slice(before)
      .map((line) => [line.method, line.why, line.quarantineId]),
    [
      ["GET", "method", null],
      ["GET", "path", null],
      ["OPTIONS", "path", null],
    ],
  );
});

test("what is kept of it is unpacked; where it broke off, the log says so; and a flood of it is counted", async (t) => {
  const door = await openFrontDoor(t);
  const text = event("v1");
  const packed = { path: "/elsewhere", headers: { "content-encoding": "gzip" } };
  assert.equal((await door.post(gzipSync(text), packed)).status, 404);
  const kept = await door.store.quarantinedBody(String(refusals(door)[0]!.quarantineId));
  assert.equal(Buffer.from(kept.body).toString(), text);

  await door.raw(`POST /elsewhere HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n${text}`, { end: true });
  const [, broken] = await waitFor(() => (refusals(door).length === 2 ? refusals(door) : null));
  assert.match(String(broken!.broken), /ended before the request was complete/);
  assert.equal(Buffer.from((await door.store.quarantinedBody(String(broken!.quarantineId))).body).toString(), text);

  for (let n = 0; n < 40; n++) await door.post(event(`flood${n}`), { path: "/elsewhere" });
  assert.equal(refusals(door).length, 30, "thirty lines a minute");
  assert.equal((await door.store.quarantined({ limit: 99 })).length, 42, "and all of it is kept");
});

test("in observe mode what a stranger sends in vain is kept, too", async (t) => {
  const door = await openFrontDoor(t, { receive: { allowFrom: ["192.0.2.1"], mode: "observe" } });
  assert.equal((await door.post(event("v1"), { path: "/elsewhere" })).status, 404);
  assert.equal(typeof refusals(door)[0]!.quarantineId, "string");
});

test("the log shows no query, and nothing of a path that may be a token", async (t) => {
  const door = await openFrontDoor(t, { receive: { token: ["s3cret-token"] } });
  for (const path of [
    "//webhooks/wochit/s3cret-token",
    "/s3cret-token",
    "/Webhooks/Wochit/S3CRET-token/x?sig=s3cret-token",
  ])
    assert.equal((await door.post(event("v"), { path })).status, 404, path);
  const lines = refusals(door);
  assert.equal(lines.length, 3);
  assert.ok(!/s3cret/i.test(JSON.stringify(lines)), JSON.stringify(lines));
  assert.ok(lines.every(({ takes }) => takes === "events are taken at POST /webhooks/wochit/<token>"));
  const receive = { path: "/webhooks/wochit", tokens: [] };
  assert.equal(shownPath("/webhook/wochit?x", receive), "/webhook/wochit");
  assert.equal(shownPath("/webhooks/wochit/an-old-token", receive), "/webhooks/wochit/…");
  assert.equal(shownPath(`/${"x".repeat(5000)}`, receive).length, 200);
});

/** Requests that Node's parser refuses, the status of the answer, what the log says, and whether the event in them is kept. */
const body = event("v1");
const head = (...lines: string[]) =>
  `POST /webhooks/wochit HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n${body}`;
const length = `content-length: ${body.length}`;
const UNREAD: [string, string | Uint8Array, number, RegExp, boolean][] = [
  [
    "PROXY v1",
    `PROXY TCP4 54.81.68.237 10.0.0.1 56324 443\r\n${head("host: x", length)}`,
    400,
    /PROXY protocol \(version 1\).*trustedProxies/,
    true,
  ],
  [
    "PROXY v2",
    Buffer.concat([
      Buffer.from("0d0a0d0a000d0a515549540a2111000c3651 44ed0a000001dc0401bb".replace(" ", ""), "hex"),
      Buffer.from(head("host: x", length)),
    ]),
    400,
    /PROXY protocol \(version 2\).*load balancer/,
    true,
  ],
  ["TLS", Buffer.from("160301020001000000", "hex"), 400, /TLS is not spoken.*server\.tls/, false],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, /HTTP\/2/, true],
  ["a large head", head("host: x", `x: ${"y".repeat(20_000)}`, length), 431, /larger than 16384/, true],
  ["bare LF", head("host: x", length).replaceAll("\r\n", "\n"), 400, /not valid HTTP\/1.1/, true],
  ["CL and TE", head("host: x", length, "transfer-encoding: chunked"), 400, /not valid HTTP\/1.1/, true],
  ["two lengths", head("host: x", length, "content-length: 5"), 400, /not valid HTTP\/1.1/, true],
  ["a control character", head("host: x", "x: \x01", length), 400, /not valid HTTP\/1.1/, true],
  ["lower case", head("host: x", length).replace("POST", "post"), 400, /not valid HTTP\/1.1/, true],
  ["CONNECT", "CONNECT relay:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400, /CONNECT/, false],
];

test("what cannot be read as a request leaves one line for an allowed sender, and its event in the ring", async (t) => {
  const door = await openFrontDoor(t);
  for (const [what, bytes, status, why, isKept] of UNREAD) {
    const seen = refusals(door).length;
    const answer = await door.raw(bytes);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*"error":`), what);
    const [line, ...more] = await waitFor(() => (refusals(door).length > seen ? refusals(door).slice(seen) : null));
    assert.deepEqual([line!.from, more], ["127.0.0.1", []], what);
    assert.match(String(line!.why), why, what);
    if (!isKept) assert.equal(line!.quarantineId, null, what);
    else {
      const kept = await door.store.quarantinedBody(String(line!.quarantineId));
      assert.equal(kept.reason, "request");
      if (what !== "HTTP/2") assert.equal(Buffer.from(kept.body).toString(), body, what);
    }
  }
});

test("plain HTTP on the port of TLS is named in the log", async (t) => {
  const tls = { cert: resolve("test/fixtures/tls/cert.pem"), key: resolve("test/fixtures/tls/key.pem") };
  const door = await openFrontDoor(t, { server: { tls } });
  await door.raw(head("host: x", length));
  const [line] = await waitFor(() => (refusals(door).length > 0 ? refusals(door) : null));
  assert.equal(line!.from, "127.0.0.1");
  assert.match(String(line!.why), /TLS/);
  const socket = connectTls({ port: door.port, host: "127.0.0.1", rejectUnauthorized: false });
  socket.on("error", () => {});
  socket.write(head("host: x", length, length));
  await waitFor(() => refusals(door).length === 2);
  socket.destroy();
});

test("a request that takes too long, and a chunked body that is broken, leave one line with the reason", async (t) => {
  const limits = { headersTimeout: 800, requestTimeout: 1_000, connectionsCheckingInterval: 50 };
  const door = await openFrontDoor(t, {}, limits);
  await door.raw("POST /webhooks/wochit HTTP/1.1\r\nhost:");
  const [slow] = await waitFor(() => (refusals(door).length > 0 ? refusals(door) : null));
  assert.match(String(slow!.why), /not complete in time/);
  const brokeOff = () => door.ports.log.facts.filter(({ fact }) => fact === "request broke off");
  const partial = '{"wochitVideoId":"v1"}';
  await door.raw(`POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n${partial}`);
  await waitFor(() => brokeOff().length === 1);
  assert.match(String(brokeOff()[0]!.fields.why), /not complete in time/);
  await door.raw(
    `POST /webhooks/wochit HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n16\r\n${partial}\r\nzz\r\n`,
  );
  await waitFor(() => brokeOff().length === 2);
  assert.match(String(brokeOff()[1]!.fields.why), /not valid HTTP/);
  for (const { fields } of brokeOff())
    assert.equal(Buffer.from((await door.store.quarantinedBody(String(fields.quarantineId))).body).toString(), partial);
  assert.equal(refusals(door).length, 1);
});

test("a client that connects and leaves, or resets an idle connection, is no request", async (t) => {
  const door = await openFrontDoor(
    t,
    {},
    { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 },
  );
  for (const bytes of ["", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"]) {
    const socket = connect(door.port, "127.0.0.1");
    await new Promise((done) => socket.once("connect", done));
    if (bytes !== "") {
      const answered = new Promise((done) => socket.once("data", done));
      socket.write(bytes);
      await answered;
    }
    socket.resetAndDestroy();
  }
  assert.match(await door.raw(""), /^HTTP\/1.1 408 /);
  const lines = refusals(door).filter(({ why }) => why !== "path");
  assert.deepEqual(lines, []);
});

test("of strangers one line a minute and kind says how many there were, and nothing of theirs is kept", async (t) => {
  const door = await openFrontDoor(t, { receive: { allowFrom: ["192.0.2.1"] } });
  for (const [, bytes] of UNREAD) await door.raw(bytes);
  for (let n = 0; n < 3; n++) await door.post(event("v"), { path: "/" });
  await door.post("", { path: "/", method: "GET" });
  assert.equal(refusals(door).length, 2);
  assert.equal((await door.store.quarantined({ limit: 9 })).length, 0);
});

test("where all may send, all that comes in vain is kept, and a page that is asked for is no event", async (t) => {
  const door = await openFrontDoor(t, { receive: { allowFrom: "any" } });
  await door.post("", { path: "/wp-login.php", method: "GET" });
  assert.deepEqual(refusals(door), []);
  await door.post(event("v"), { path: "/" });
  await door.raw(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${head("host: x", length)}`);
  const reasons = async () => (await door.store.quarantined({ limit: 9 })).map(({ reason }) => reason);
  await waitFor(async () => (await reasons()).join() === "request,path");
});

test("behind a proxy the sender is who the proxy says, once a request can be read", async (t) => {
  const door = await openFrontDoor(t, {
    server: { trustedProxies: ["127.0.0.1"] },
    receive: { allowFrom: ["54.81.68.237"] },
  });
  await door.post(event("v"), { path: "/", headers: { "x-forwarded-for": "203.0.113.9" } });
  await door.post(event("v"), { path: "/", headers: { "x-forwarded-for": "54.81.68.237" } });
  assert.deepEqual(
    refusals(door).map(({ from, quarantineId }) => [from, typeof quarantineId]),
    [
      ["203.0.113.9", "undefined"],
      ["54.81.68.237", "string"],
    ],
  );
});
