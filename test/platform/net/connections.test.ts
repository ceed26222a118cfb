import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { openOutbound } from "../../../src/platform/net/outbound.ts";
import { listen } from "../../support/listen.ts";
import { AUTHORITY, pemFiles } from "../../support/tls-server.ts";
import { waitFor } from "../../support/wait.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A server of raw bytes: `answer` gets each whole request with its place on its connection, and of all, from 1. */
async function serve(
  t: TestContext,
  answer: (socket: Socket, nth: { here: number; ever: number }) => void,
  secure = false,
): Promise<{ url: string; requests: string[]; connections(): number }> {
  const requests: string[] = [];
  let connections = 0;
  const take = (socket: Socket) => {
    connections++;
    let here = 0;
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (head === -1 || text.length < head + 4 + length) return;
      requests.push(text);
      text = "";
      answer(socket, { here: ++here, ever: requests.length });
    });
  };
  const { cert, key } = pemFiles("good");
  const server: Server = secure
    ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, take)
    : createServer(take);
  const { port } = await listen(t, server);
  return { url: `http${secure ? "s" : ""}://localhost:${port}/`, requests, connections: () => connections };
}

function open(t: TestContext, secure = false) {
  const tls = secure ? { ca: readFileSync(AUTHORITY, "utf8"), cert: null, key: null } : null;
  const outbound = openOutbound({ allowPrivateAddresses: true, connectTimeout: 10_000, connections: 1, tls });
  t.after(() => outbound.close());
  return async (url: string, { method = "POST" as "POST" | "GET", headersTimeout = 10_000 } = {}) => {
    const options = {
      headers: { "user-agent": "test" },
      signal: new AbortController().signal,
      headersTimeout,
      bodyTimeout: 10_000,
    };
    if (method === "POST") {
      const reading = { keep: 1_000, most: 1_000, limit: () => () => {} };
      const body = Buffer.from('{"a":1}');
      const { status, start } = await outbound.exchange(new URL(url), { ...options, body, reading });
      return `${status} ${Buffer.from(start ?? []).toString()}`;
    }
    const answer = await outbound.request(new URL(url), { ...options, method });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    return `${answer.status} ${Buffer.concat(chunks).toString()}`;
  };
}

for (const secure of [false, true]) {
  const how = secure ? "over TLS" : "in the clear";

  test(`interim responses before an answer are ignored on every request of a connection, ${how}`, async (t) => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nx: y\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    const { url, connections } = await serve(t, (socket) => socket.write(interim + OK), secure);
    const ask = open(t, secure);
    for (let request = 0; request < 3; request++) assert.equal(await ask(url), "200 ok");
    assert.equal(await ask(url, { method: "GET" }), "200 ok");
    assert.equal(connections(), 1, "the connection is kept");
  });

  test(`an interim response in pieces is ignored, ${how}`, async (t) => {
    const answer = `HTTP/1.1 100 Continue\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${OK}`;
    const { url } = await serve(
      t,
      async (socket) => {
        socket.setNoDelay(true);
        for (let at = 0; at < answer.length; at += 7) {
          await new Promise((resolve) => socket.write(answer.slice(at, at + 7), resolve));
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
      secure,
    );
    const ask = open(t, secure);
    assert.equal(await ask(url), "200 ok");
    assert.equal(await ask(url), "200 ok");
  });

  test(`a request that breaks on a reused connection is made again on another one, ${how}`, async (t) => {
    const ends = ["end", "destroy", ...(secure ? [] : ["resetAndDestroy" as const])] as const;
    for (const end of ends) {
      const { url, requests, connections } = await serve(
        t,
        (socket, { here }) => (here === 1 ? socket.write(OK) : socket[end]()),
        secure,
      );
      const ask = open(t, secure);
      assert.equal(await ask(url), "200 ok");
      assert.equal(await ask(url), "200 ok", end);
      assert.equal(requests.length, 3);
      assert.equal(requests[1]?.replace(/connection: .*\r\n/, ""), requests[2]?.replace(/connection: .*\r\n/, ""));
      assert.equal(connections(), 2);
      assert.equal(await ask(url, { method: "GET" }), "200 ok");
    }
  });
}

test("it is made again once: a second break is a failure", async (t) => {
  const { url, requests } = await serve(t, (socket, { ever }) => (ever === 1 ? socket.write(OK) : socket.end()));
  const ask = open(t);
  await ask(url);
  await assert.rejects(ask(url));
  assert.equal(requests.length, 3);
});

test("a fresh connection that breaks is a failure at once", async (t) => {
  const { url, requests } = await serve(t, (socket) => socket.end());
  const ask = open(t);
  await assert.rejects(ask(url));
  await assert.rejects(ask(url));
  assert.equal(requests.length, 2);
});

test("a reused connection that breaks after a byte of an answer, or is silent for too long, is not used twice", async (t) => {
  const cases = {
    "an interim response": (socket: Socket) => socket.end("HTTP/1.1 100 Continue\r\n\r\n"),
    "part of a head": (socket: Socket) => socket.end("HTTP/1.1 200"),
    "part of a body": (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no"),
    nothing: () => {},
  };
  for (const [name, second] of Object.entries(cases)) {
    const { url, requests } = await serve(t, (socket, { here }) => (here === 1 ? socket.write(OK) : second(socket)));
    const ask = open(t);
    await ask(url);
    const asked = ask(url, { headersTimeout: name === "nothing" ? 300 : 10_000 });
    // The beginning of a body is all that is wanted of it.
    if (name === "part of a body") assert.equal(await asked, "200 o");
    else await assert.rejects(asked, name);
    await waitFor(() => requests.length >= 2);
    assert.equal(requests.length, 2, name);
  }
});
