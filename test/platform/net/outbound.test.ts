import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import test, { type TestContext } from "node:test";
import { RelayError } from "../../../src/errors.ts";
import type { Reading } from "../../../src/platform/net/exchange.ts";
import { type Outbound, openOutbound, RefusedAddress, type Resolve } from "../../../src/platform/net/outbound.ts";
import { listen } from "../../support/listen.ts";
import { lastingPort } from "../../support/serve-process.ts";
import { waitFor } from "../../support/wait.ts";

type Options = Partial<Parameters<typeof openOutbound>[0]>;

async function serve(
  t: TestContext,
  handler: RequestListener,
): Promise<{ port: number; seen: string[]; server: Server }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.headers.host} ${request.method} ${request.url}`);
    handler(request, response);
  });
  return { port: (await listen(t, server)).port, seen, server };
}

function open(t: TestContext, options: Options) {
  const outbound = openOutbound({ allowPrivateAddresses: false, connectTimeout: 10_000, ...options });
  t.after(() => outbound.close());
  const get = (url: string, more: { headersTimeout?: number; bodyTimeout?: number; signal?: AbortSignal } = {}) =>
    outbound.request(new URL(url), {
      method: "GET",
      headers: { "user-agent": "test" },
      signal: new AbortController().signal,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
      ...more,
    });
  return { ...outbound, get };
}

function post(
  outbound: Pick<Outbound, "exchange">,
  port: number,
  reading: Partial<Reading> = {},
  signal = new AbortController().signal,
  host = "127.0.0.1",
) {
  return outbound.exchange(new URL(`http://${host}:${port}/`), {
    headers: { "content-type": "application/json" },
    body: Buffer.from('{"a":1.00}'),
    signal,
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
    reading: { keep: 1_000, most: 1_000, limit: () => () => {}, ...reading },
  });
}

async function text(response: { body: AsyncIterable<Uint8Array> }): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const isRefused = (error: unknown) => error instanceof RefusedAddress;

test("an allowed address is spoken to: status, headers, body, query and method arrive; credentials do not", async (t) => {
  const { port, seen } = await serve(t, (request, response) => {
    response.setHeader("x-auth", request.headers.authorization ?? "none");
    response.writeHead(418).end("hello");
  });
  const outbound = open(t, { allowPrivateAddresses: true });
  const response = await outbound.get(`http://user:pass@127.0.0.1:${port}/a%20b?q=1`);
  assert.equal(response.status, 418);
  assert.equal(response.headers["x-auth"], "none");
  assert.equal(await text(response), "hello");
  assert.deepEqual(seen, [`127.0.0.1:${port} GET /a%20b?q=1`]);
});

test("a body is posted as it is, and the answer's is read", async (t) => {
  const { port } = await serve(t, async (request, response) => response.end(await text({ body: request })));
  const { status, start } = await post(open(t, { allowPrivateAddresses: true }), port);
  assert.equal(status, 200);
  assert.equal(Buffer.from(start!).toString(), '{"a":1.00}');
});

test("of an answer to a post so much is kept as is asked for; an empty one is null", async (t) => {
  const { port } = await serve(t, (_, response) => response.end("0123456789"));
  const { start } = await post(open(t, { allowPrivateAddresses: true }), port, { keep: 4 });
  assert.equal(Buffer.from(start!).toString(), "0123");
  const empty = await serve(t, (_, response) => response.writeHead(204).end());
  assert.equal((await post(open(t, { allowPrivateAddresses: true }), empty.port)).start, null);
});

test("an answer to a post that is long, or slow, ends early, and is an answer", async (t) => {
  const endless = await serve(t, (_, response) => void response.write("x".repeat(1_000)));
  const long = await post(open(t, { allowPrivateAddresses: true }), endless.port, { keep: 10, most: 500 });
  assert.deepEqual([long.status, long.start?.length], [200, 10]);
  let ended = 0;
  const limit = (giveUp: () => void) => {
    setImmediate(giveUp);
    return () => void ended++;
  };
  const slow = await post(open(t, { allowPrivateAddresses: true }), endless.port, { limit });
  assert.equal(slow.status, 200);
  assert.equal(ended, 1, "the time for reading is ended, too");
});

test("an answer to a post that breaks off is an answer", async (t) => {
  const { port } = await serve(t, (_, response) => {
    response.writeHead(201, { "content-length": "100" }).write("begun");
    setImmediate(() => response.destroy());
  });
  const { status } = await post(open(t, { allowPrivateAddresses: true }), port);
  assert.equal(status, 201);
});

test("a post that is aborted ends with the reason, at once, and its connection is closed", async (t) => {
  let closed = () => {};
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const { port, seen } = await serve(t, (request) => void request.socket.on("close", closed));
  const abort = new AbortController();
  const posting = post(open(t, { allowPrivateAddresses: true }), port, {}, abort.signal);
  await waitFor(() => seen.length === 1);
  abort.abort(new Error("enough"));
  await assert.rejects(posting, /^Error: enough$/);
  await isClosed;
});

test("a post that is aborted before it has a connection is never sent", async (t) => {
  const { port, seen } = await serve(t, (_, response) => response.end());
  let found: (value: { address: string; family: 4 }[]) => void = () => {};
  const outbound = open(t, {
    allowPrivateAddresses: true,
    resolve: () =>
      new Promise((resolve) => {
        found = resolve;
      }),
  });
  const abort = new AbortController();
  const posting = post(outbound, port, {}, abort.signal, "name.test");
  await waitFor(() => found.length === 1);
  abort.abort(new Error("enough"));
  await assert.rejects(posting, /^Error: enough$/);
  found([{ address: "127.0.0.1", family: 4 }]);
  assert.equal((await post(open(t, { allowPrivateAddresses: true }), port)).status, 200);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(seen.length, 1, "only the second one came");
});

test("a redirect is answered, not followed", async (t) => {
  const { port, seen } = await serve(t, (_, response) => response.writeHead(302, { location: "/next" }).end());
  const response = await open(t, { allowPrivateAddresses: true }).get(`http://127.0.0.1:${port}/`);
  assert.equal(response.status, 302);
  assert.equal(response.headers.location, "/next");
  response.body.destroy();
  assert.equal(seen.length, 1);
});

test("an address in the URL is checked in every spelling, before anything is sent", async (t) => {
  const { port, seen } = await serve(t, (_, response) => response.end());
  const outbound = open(t, { resolve: async () => assert.fail("an address is not looked up") });
  const hosts = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "0",
    "[::]",
  ];
  for (const host of hosts) await assert.rejects(outbound.get(`http://${host}:${port}/?secret=1`), isRefused, host);
  assert.deepEqual(seen, []);
});

test("metadata addresses are refused also where private ones are allowed", async (t) => {
  for (const allowPrivateAddresses of [true, ["169.254.0.0/16", "fd00::/8", "metadata.internal"]]) {
    const outbound = open(t, {
      allowPrivateAddresses,
      resolve: async () => [{ address: "169.254.169.254", family: 4 }],
    });
    for (const host of ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "metadata.internal"]) {
      await assert.rejects(outbound.get(`http://${host}/latest`), isRefused, host);
    }
  }
});

test("only http and https are spoken", async (t) => {
  const outbound = open(t, { allowPrivateAddresses: true });
  for (const url of ["ftp://127.0.0.1/", "file:///etc/passwd", "data:text/plain,x", "ws://127.0.0.1/"]) {
    await assert.rejects(outbound.get(url), isRefused, url);
  }
});

test("a name that resolves to a private address is refused, unless its name or network is allowed", async (t) => {
  const { port, seen } = await serve(t, (_, response) => response.end("in"));
  const resolve: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];
  const url = `http://CDN.internal:${port}/`;
  await assert.rejects(open(t, { resolve }).get(url), isRefused);
  await assert.rejects(
    open(t, { resolve, allowPrivateAddresses: ["other.internal", "10.0.0.0/8"] }).get(url),
    isRefused,
  );
  assert.deepEqual(seen, []);
  for (const allowed of ["cdn.internal", "CDN.Internal.", "127.0.0.0/8"]) {
    const response = await open(t, { resolve, allowPrivateAddresses: [allowed] }).get(url);
    assert.equal(await text(response), "in", allowed);
  }
  const rooted = open(t, { resolve, allowPrivateAddresses: ["cdn.internal"] });
  assert.equal(await text(await rooted.get(`http://cdn.internal.:${port}/`)), "in");
});

test("the real resolver is behind it: localhost is refused, and reached where it is named", async (t) => {
  const { port } = await serve(t, (_, response) => response.end("in"));
  await assert.rejects(open(t, {}).get(`http://localhost:${port}/`), isRefused);
  assert.equal(
    await text(await open(t, { allowPrivateAddresses: ["localhost"] }).get(`http://localhost:${port}/`)),
    "in",
  );
});

test("a name that turns private the second time is refused then: the check is at the connect", async (t) => {
  // 127.0.0.1 plays the public address, 127.0.0.2 the private one.
  const { port, seen } = await serve(t, (_, response) => response.writeHead(200, { connection: "close" }).end("out"));
  const answers = ["127.0.0.1", "127.0.0.2"];
  const outbound = open(t, {
    allowPrivateAddresses: ["127.0.0.1"],
    resolve: async () => [{ address: answers.shift()!, family: 4 }],
  });
  assert.equal(await text(await outbound.get(`http://rebind.test:${port}/1`)), "out");
  await assert.rejects(outbound.get(`http://rebind.test:${port}/2`), isRefused);
  assert.equal(seen.length, 1);
});

test("of several addresses only the allowed ones are connected to", async (t) => {
  const { port, seen } = await serve(t, (_, response) => response.end("in"));
  const outbound = open(t, {
    allowPrivateAddresses: ["127.0.0.1"],
    resolve: async () => [
      { address: "::1", family: 6 },
      { address: "10.255.255.1", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ],
  });
  assert.equal(await text(await outbound.get(`http://mixed.test:${port}/`)), "in");
  assert.equal(seen.length, 1);
});

test("a name without an address, and a resolver that fails, are errors of the network", async (t) => {
  const none = open(t, { resolve: async () => [] });
  await assert.rejects(none.get("http://nowhere.test/"), /nowhere\.test/);
  const failing = open(t, { resolve: () => Promise.reject(new Error("no such name")) });
  await assert.rejects(
    failing.get("http://nowhere.test/"),
    (error) => !isRefused(error) && /no such name/.test(String(error)),
  );
});

test("headers that never come, a body that stalls and an abort end a request; no error tells the query", async (t) => {
  const { port } = await serve(t, (request, response) => {
    if (request.url?.startsWith("/stall")) response.writeHead(200).write("some");
  });
  const outbound = open(t, { allowPrivateAddresses: true });
  const url = `http://127.0.0.1:${port}`;
  const quiet = (error: unknown) =>
    error instanceof Error && !`${error.message} ${error.cause ?? ""}`.includes("secret");
  await assert.rejects(outbound.get(`${url}/never?sig=secret`, { headersTimeout: 100 }), quiet);
  const stalled = await outbound.get(`${url}/stall?sig=secret`, { bodyTimeout: 100 });
  await assert.rejects(text(stalled), quiet);
  await assert.rejects(outbound.get(`${url}/never?sig=secret`, { signal: AbortSignal.timeout(100) }), quiet);
});

test("a body that fails while nobody reads it does not end the process", async (t) => {
  const { port } = await serve(t, (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("some");
    setTimeout(() => response.destroy(), 20);
  });
  const response = await open(t, { allowPrivateAddresses: true }).get(`http://127.0.0.1:${port}/`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  response.body.destroy();
});

test("a refused connection is an error of the network, not a refusal", async (t) => {
  await assert.rejects(
    open(t, { allowPrivateAddresses: true }).get(`http://127.0.0.1:${await lastingPort()}/`),
    (error) => !isRefused(error),
  );
});

test("a list entry that is neither network nor host name is a config error", () => {
  for (const entry of [
    "10.0.0.0/33",
    "cdn internal",
    "http://cdn",
    "cdn:80",
    "user@cdn",
    "",
    "1.2.3",
    "*.internal",
    "a..b",
  ]) {
    assert.throws(
      () => openOutbound({ allowPrivateAddresses: ["10.0.0.0/8", entry], connectTimeout: 1 }),
      (error) => error instanceof RelayError && error.code === "config" && error.message.includes(`"${entry}"`),
      entry,
    );
  }
});
