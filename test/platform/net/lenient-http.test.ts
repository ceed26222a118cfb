import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { openOutbound, RefusedAddress } from "../../../src/platform/net/outbound.ts";
import { serveRaw } from "../../support/media-server.ts";
import { ODD_HEADS } from "../../support/odd-heads.ts";
import { openTlsServer } from "../../support/tls-server.ts";
import { waitFor } from "../../support/wait.ts";

const content = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 251));

/** A way out that may go to this machine, and one lenient GET over it. */
function open(t: Pick<TestContext, "after">, more: Partial<Parameters<typeof openOutbound>[0]> = {}) {
  const outbound = openOutbound({ allowPrivateAddresses: ["127.0.0.1"], connectTimeout: 10_000, ...more });
  t.after(() => outbound.close());
  return async (url: string, options: { signal?: AbortSignal; bodyTimeout?: number } = {}) => {
    // So long that nothing which these tests wait for comes of it.
    const { signal = new AbortController().signal, bodyTimeout = 600_000 } = options;
    const wish = { method: "GET", headers: { "x-mine": "1" }, signal, headersTimeout: 10_000, bodyTimeout } as const;
    return outbound.request(new URL(url), { ...wish, lenient: true });
  };
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("heads that other clients take are taken, and what is odd is named", async (t) => {
  const { origin, asked } = await serveRaw(t, (request, socket) =>
    ODD_HEADS[/ \/(\w+)/.exec(request)![1]!]!.answer(content, socket),
  );
  const get = open(t);
  for (const [name, { says }] of Object.entries(ODD_HEADS)) {
    const { status, body, oddities } = await get(`${origin}/${name}?a=b`);
    assert.equal(status, 200, name);
    assert.ok((await readAll(body)).equals(content), name);
    assert.match(oddities!.join(", "), says);
  }
  assert.match(
    asked[0]!,
    /^GET \/both\?a=b HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\nx-mine: 1\r\nconnection: close\r\n\r\n$/,
  );
});

/** What comes of an answer, given in pieces. */
async function answered(t: TestContext, ...pieces: (string | Buffer)[]): Promise<{ body: string; headers: object }> {
  const { origin } = await serveRaw(t, async (_, socket) => {
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    socket.end();
  });
  const { body, headers, status } = await open(t)(origin);
  assert.equal(status, 200);
  return { body: String(await readAll(body)), headers: { ...headers } };
}

test("bodies end behind their length, their last chunk, or with the connection, however they are cut into pieces", async (t) => {
  const ok = "HTTP/1.1 200 OK\r\n";
  assert.deepEqual(await answered(t, ok, "Content-Le", "ngth: 5\r\n\r", "\nhel", "lo and more"), {
    body: "hello",
    headers: { "content-length": "5" },
  });
  assert.equal((await answered(t, `${ok}\r\n`, "hel", "lo")).body, "hello");
  const unsure = await answered(t, `${ok}Content-Length: 5\r\nContent-Length: 9\r\n\r\nhello all`);
  assert.deepEqual(unsure, { body: "hello all", headers: {} });
  const chunked = `${ok}Transfer-Encoding: gzip, Chunked\r\n\r\n`;
  assert.equal((await answered(t, chunked, "3\r\nhel\r", "\n 2 ;a=b\r\nlo\r\n0\r\n", "A: b\r\n\r\n")).body, "hello");
  assert.equal((await answered(t, chunked, "5\nhello\n0\n\n")).body, "hello");
  const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n";
  assert.equal((await answered(t, `${interim}${ok}content-length: 5\r\n\r\nhello`)).body, "hello");
  assert.equal((await answered(t, "ICY 200 OK\r\n\r\nhello")).body, "hello");
  const twice = await answered(t, `${ok}ETag: "a"\r\nEtag: "b"\r\n__proto__: x\r\n\r\n`);
  assert.deepEqual(twice.headers, { etag: '"a"', ["__proto__"]: "x" });
});

test("an answer that has no body by its status ends with its head, whatever its head says", async (t) => {
  for (const status of [204, 304]) {
    const { origin } = await serveRaw(
      t,
      (_, socket) => void socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: 9\r\n\r\n`),
    );
    const { status: got, body } = await open(t)(origin);
    assert.deepEqual([got, (await readAll(body)).length], [status, 0]);
  }
});

test("what ends early, or is no HTTP, is an error that says so", async (t) => {
  const cases: [string, RegExp][] = [
    ["", /ended before the head/],
    ["HTTP/1.1 200 OK\r\nA: b", /ended before the head/],
    ["hello\r\n\r\n", /the answer is not HTTP/],
    ["HTTP/1.1 2000 OK\r\n\r\n", /the answer is not HTTP/],
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", /4 of 9 bytes early/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", /before the last chunk/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", /before the last chunk/],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n", /a chunk has no size/],
    [`HTTP/1.1 200 OK\r\nA: ${"x".repeat(300_000)}`, /longer than/],
    [`HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(60_000)}`, /longer than/],
    ["HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000), /longer than/],
  ];
  for (const [text, words] of cases) {
    const { origin } = await serveRaw(t, (_, socket) => void socket.end(text));
    await assert.rejects(
      open(t)(origin).then(({ body }) => readAll(body)),
      words,
    );
  }
});

test("addresses are guarded as on every way out: literals, names, names that change", async (t) => {
  const { origin, asked } = await serveRaw(t, (_, socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\n"));
  const { port } = new URL(origin);
  const guarded = open(t, { allowPrivateAddresses: false });
  for (const host of ["127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost"]) {
    await assert.rejects(guarded(`http://${host}:${port}/`), RefusedAddress, host);
  }
  await assert.rejects(guarded("ftp://example.com/"), RefusedAddress);
  let address = "127.0.0.1";
  const named = open(t, { resolve: async () => [{ address, family: 4 }] });
  assert.equal((await named(`http://media.test:${port}/`)).status, 200);
  address = "127.0.0.2";
  await assert.rejects(named(`http://media.test:${port}/`), RefusedAddress);
  assert.equal(asked.length, 1);
  assert.match(asked[0]!, new RegExp(`\\r\\nhost: media\\.test:${port}\\r\\n`));
});

test("certificates are checked as on every way out", async (t) => {
  for (const pem of ["good", "other"] as const) {
    const { url } = await openTlsServer(t, pem);
    await assert.rejects(open(t, { allowPrivateAddresses: true })(url), /certificate|issuer/i, pem);
  }
});

test("an abort, a reader who leaves, one who never began, and silence let the connection go", async (t) => {
  const { origin, sockets } = await serveRaw(t, (request, socket) => {
    if (!request.includes("/silent")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nhello");
  });
  const get = open(t);
  const isLetGo = () => waitFor(() => sockets.size === 0);
  const stop = new AbortController();
  const reading = get(origin, { signal: stop.signal }).then(({ body }) => readAll(body));
  setTimeout(() => stop.abort(new Error("the relay stops")), 50);
  await assert.rejects(reading, /the relay stops/);
  await isLetGo();
  for await (const _ of (await get(origin)).body) break;
  await isLetGo();
  (await get(origin)).body.destroy();
  await isLetGo();
  await assert.rejects(get(origin, { signal: AbortSignal.abort(new Error("stopped")) }), /stopped/);
  await assert.rejects(get(`${origin}/silent`, { bodyTimeout: 100 }), /nothing came for 0\.1 s/);
  await assert.rejects(
    get(origin, { bodyTimeout: 100 }).then(({ body }) => readAll(body)),
    /nothing came for 0\.1 s/,
  );
  await isLetGo();
});

test("a reader that takes its time is no silence of the host", async (t) => {
  const large = Buffer.alloc(8 * 2 ** 20, 7);
  const write = (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${large.length}\r\n\r\n`);
  const { origin } = await serveRaw(t, (_, socket) => {
    write(socket);
    socket.end(large);
  });
  const { body } = await open(t)(origin, { bodyTimeout: 1_000 });
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 2_500));
    bytes += chunk.length;
  }
  assert.equal(bytes, large.length);
});

test("a host that falls silent while what it sent is still being written is given up all the same", async (t) => {
  let sentAt = 0;
  const { origin } = await serveRaw(t, (_, socket) => {
    socket.write("HTTP/1.1 200 OK\nContent-Length: 100000\n\n");
    socket.write(content);
    sentAt = performance.now();
  });
  const { body } = await open(t)(origin, { bodyTimeout: 1_000, signal: AbortSignal.timeout(60_000) });
  // The disk is slower than that: meanwhile nothing is waited for.
  await waitFor(() => performance.now() - sentAt > 2_500);
  await assert.rejects(readAll(body), /nothing came for 1 s/);
});
