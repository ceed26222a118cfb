import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { get } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { Hono } from "hono";
import { listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { send } from "../../support/front-door.ts";
import { testClock } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

const at = { host: "127.0.0.1", port: 0, tls: null };

test("with a certificate and a key the listener speaks TLS", async (t) => {
  const tls = { cert: "test/fixtures/tls/cert.pem", key: "test/fixtures/tls/key.pem" };
  const app = new Hono().get("/", (c) => c.text("hello"));
  const listener = await listen(app, { ...at, tls }, systemClock());
  t.after(() => listener.close(100));
  const text = await new Promise<string>((resolve, reject) => {
    const options = { host: "localhost", port: listener.port, ca: readFileSync(tls.cert), agent: false };
    get(options, (response) => response.on("data", (chunk) => resolve(String(chunk)))).on("error", reject);
  });
  assert.equal(text, "hello");
});

test("a certificate that cannot be read, and a port that is taken, are said in one line", async (t) => {
  const app = new Hono();
  const missing = { cert: "nowhere.pem", key: "nowhere.pem" };
  await assert.rejects(listen(app, { ...at, tls: missing }, systemClock()), {
    code: "config",
    message: /server\.tls.*nowhere/,
  });
  const listener = await listen(app, at, systemClock());
  t.after(() => listener.close(100));
  await assert.rejects(listen(app, { ...at, port: listener.port }, systemClock()), { message: /cannot listen on 127/ });
});

test("closing answers what is under way, takes nothing new, and ends what takes too long", async () => {
  let answer: (() => void) | null = null;
  const app = new Hono()
    .get(
      "/slow",
      (c) =>
        new Promise<Response>((resolve) => {
          answer = () => resolve(c.text("done"));
        }),
    )
    .get("/never", () => new Promise<Response>(() => {}));
  const listener = await listen(app, at, systemClock());
  const slow = send(listener.port, { method: "GET", path: "/slow" }, "");
  const never = send(listener.port, { method: "GET", path: "/never" }, "");
  const answerNow = await waitFor(() => answer);
  const closed = listener.close(2_000);
  answerNow();
  assert.deepEqual([(await slow).status, (await slow).text], [200, "done"]);
  // What has connected by then is still taken.
  const ask = () => send(listener.port, { method: "GET", path: "/absent" }, "");
  await waitFor(() =>
    ask().then(
      () => false,
      (error) => error.code === "ECONNREFUSED",
    ),
  );
  await closed;
  assert.deepEqual([(await never).status, JSON.parse((await never).text).error.code], [503, "store_unavailable"]);
});

test("a request that comes on a kept connection while the listener closes is answered, as its last", async () => {
  const app = new Hono().get("/", (c) => c.text("done"));
  // A clock that stands still: an idle connection's time is not over before the request is there.
  const listener = await listen(app, at, testClock());
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () =>
    new Promise<{ text: string; connection: string | undefined }>((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port: listener.port, agent }, async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        resolve({ text, connection: response.headers.connection });
      });
      asked.on("error", reject).end();
    });
  assert.equal((await ask()).connection, "keep-alive");
  const closed = listener.close(3_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(await ask(), { text: "done", connection: "close" });
  await closed; // at once: no timer has fired
  agent.destroy();
});

test("an answer that is under way when the listener closes says that it is the last on its connection", async () => {
  let answer: (() => void) | null = null;
  const app = new Hono().get("/", (c) => new Promise<Response>((resolve) => (answer = () => resolve(c.text("done")))));
  const listener = await listen(app, at, systemClock());
  const agent = new Agent({ keepAlive: true });
  const said = new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: listener.port, agent }, (response) => {
      response.resume().on("end", () => resolve([response.statusCode, response.headers.connection]));
    })
      .on("error", reject)
      .end();
  });
  const answerNow = await waitFor(() => answer);
  const closed = listener.close(60_000);
  answerNow();
  assert.deepEqual(await said, [200, "close"]);
  await closed;
  agent.destroy();
});

test("a request that came on a kept connection while the loop was blocked is answered, though the listener closes", async () => {
  const app = new Hono().post("/", (c) => c.text("took"));
  const listener = await listen(app, at, systemClock());
  const socket = await dial(listener.port, `${POST(2)}{}`);
  await waitFor(() => socket.text.includes("took"));
  socket.text = "";
  const closed = listener.close(60_000);
  await block(2_000, () => void socket.write(`${POST(2)}{}`));
  await closed;
  await waitFor(() => socket.closed);
  assert.match(socket.text, /^HTTP\/1.1 200 [\s\S]*took/);
});

test("connections that wait in the kernel when the listener closes are answered", async () => {
  const listener = await listen(
    new Hono().get("/", (c) => c.text("done")),
    at,
    systemClock(),
  );
  const asked = Array.from({ length: 60 }, () => send(listener.port, { method: "GET", path: "/" }, ""));
  for (const one of asked) one.catch(() => {});
  // The kernel has all of them, and the loop has taken a few.
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  await listener.close(60_000);
  for (const { status, text } of await Promise.all(asked)) assert.deepEqual([status, text], [200, "done"]);
});

test("a connection on which nothing comes any more is not waited for long", async () => {
  const app = new Hono().get("/", (c) => c.text("done"));
  const listener = await listen(app, at, systemClock());
  const agent = new Agent({ keepAlive: true });
  await new Promise((resolve) => {
    request({ host: "127.0.0.1", port: listener.port, agent }, (response) =>
      response.resume().on("end", resolve),
    ).end();
  });
  const begun = performance.now();
  await listener.close(60_000);
  assert.ok(performance.now() - begun < 30_000);
  agent.destroy();
});

test("another app answers from one request to the next", async (t) => {
  const listener = await listen(
    new Hono().get("/", (c) => c.text("one")),
    at,
    systemClock(),
  );
  t.after(() => listener.close(100));
  assert.equal((await send(listener.port, { method: "GET", path: "/" }, "")).text, "one");
  listener.serve(new Hono().get("/", (c) => c.text("two")));
  assert.equal((await send(listener.port, { method: "GET", path: "/" }, "")).text, "two");
});

test("a client that connects and says nothing, not even a TLS greeting, holds up no stop", async () => {
  const tls = { cert: "test/fixtures/tls/cert.pem", key: "test/fixtures/tls/key.pem" };
  const listener = await listen(new Hono(), { ...at, tls }, systemClock());
  const silent = connect(listener.port, "127.0.0.1");
  await new Promise((resolve) => silent.once("connect", resolve));
  silent.on("error", () => {});
  const ended = new Promise((resolve) => silent.once("close", resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const begun = performance.now();
  await listener.close(300);
  assert.ok(performance.now() - begun < 30_000, "node:https waits two minutes for a greeting");
  await ended;
});

test("a kept connection whose answer ends after the stop began is not waited for", async () => {
  let isAsked = false;
  const slow = async () => {
    isAsked = true;
    await new Promise((resolve) => setTimeout(resolve, 700));
    return new Response("done");
  };
  const listener = await listen(new Hono().get("/", slow), at, systemClock());
  const agent = new Agent({ keepAlive: true });
  const answered = new Promise<void>((resolve) => {
    const options = { host: "127.0.0.1", port: listener.port, agent };
    request(options, (response) => response.resume().on("end", () => resolve())).end();
  });
  await waitFor(() => isAsked);
  const begun = performance.now();
  await listener.close(60_000);
  assert.ok(performance.now() - begun < 30_000);
  await answered;
  agent.destroy();
});

/** Keeps the event loop from turning, as a commit does on a slow disk, and does `first` before: timers come next, then sockets. */
function block(ms: number, first = () => {}): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      first();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      resolve();
    });
  });
}

/** A connection that has sent the first bytes, and those that it sends later; `text` is what came back. */
async function dial(port: number, first: string) {
  const socket = Object.assign(connect(port, "127.0.0.1"), { text: "" });
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    socket.text += chunk.toString("latin1");
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(first);
  // The server has accepted it, and read this much.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return socket;
}

type Dialled = Awaited<ReturnType<typeof dial>>;

const POST = (length: number) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;

test("a request that waited while the loop was blocked is answered, and never 408", async (t) => {
  const timeouts = { headersTimeout: 1_500, requestTimeout: 1_700, connectionsCheckingInterval: 50 };
  const app = new Hono().post("/", async (c) => c.text(`took ${(await c.req.text()).length}`));
  const listener = await listen(app, at, systemClock(), timeouts);
  t.after(() => listener.close(100));
  const firsts = ["", "POST / HT", `${POST(10)}01234`];
  const [silent, head, body] = (await Promise.all(firsts.map((first) => dial(listener.port, first)))) as [
    Dialled,
    Dialled,
    Dialled,
  ];
  await block(4_000, () => {
    silent.write(`${POST(2)}{}`);
    head.write(`TP/1.1\r\n${POST(2).slice(17)}{}`);
    body.write("56789");
  });
  await waitFor(() => [silent, head, body].every(({ text }) => text.includes("\r\n\r\n")));
  for (const [{ text }, took] of [
    [silent, "took 2"],
    [head, "took 2"],
    [body, "took 10"],
  ] as const) {
    assert.match(text, /^HTTP\/1.1 200 /);
    assert.ok(text.endsWith(took), text);
  }
});

test("a TLS handshake that waited while the loop was blocked goes on", async (t) => {
  const tls = { cert: "test/fixtures/tls/cert.pem", key: "test/fixtures/tls/key.pem" };
  const timeouts = { headersTimeout: 500, connectionsCheckingInterval: 50 };
  const app = new Hono().get("/", (c) => c.text("hello"));
  const listener = await listen(app, { ...at, tls }, systemClock(), timeouts);
  t.after(() => listener.close(100));
  const asked = new Promise<string>((resolve, reject) => {
    const options = { host: "localhost", port: listener.port, ca: readFileSync(tls.cert), agent: false };
    get(options, (response) => response.on("data", (chunk) => resolve(String(chunk)))).on("error", reject);
  });
  await block(2_000);
  assert.equal(await asked, "hello");
  const silent = await dial(listener.port, "");
  await waitFor(() => silent.closed);
});

test("an idle connection on which a request came while the loop was blocked is not closed", async (t) => {
  const app = new Hono().post("/", (c) => c.text("took"));
  const listener = await listen(app, at, systemClock(), { keepAlive: 1_500 });
  t.after(() => listener.close(100));
  const socket = await dial(listener.port, `${POST(2)}{}`);
  await waitFor(() => socket.text.includes("took"));
  socket.text = "";
  await block(4_000, () => void socket.write(`${POST(2)}{}`));
  await waitFor(() => socket.text.includes("took"));
  await waitFor(() => socket.closed);
});

test("what follows a whole request and is none takes nothing from that request's answer", async (t) => {
  let answer = () => {};
  const app = new Hono().post("/", () => {
    return new Promise<Response>((resolve) => {
      answer = () => resolve(new Response("taken"));
    });
  });
  const listener = await listen(app, { host: "127.0.0.1", port: 0, tls: null }, systemClock());
  t.after(() => listener.close(0));
  const socket = connect(listener.port, "127.0.0.1");
  t.after(() => socket.destroy());
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}\u0001 no request\r\n\r\n");
  const before = answer;
  await waitFor(() => answer !== before);
  await new Promise((resolve) => setTimeout(resolve, 50));
  answer();
  await ended;
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n.*taken/);
  assert.doesNotMatch(text, /HTTP\/1\.1 400/);
});

test("a client that resets its connection after a CONNECT ends nothing but that connection", async (t) => {
  const app = new Hono().get("/", (c) => c.text("hello"));
  const listener = await listen(app, at, systemClock());
  t.after(() => listener.close(100));
  // An error event that has no listener would end the process, and here the test.
  for (let nth = 0; nth < 5; nth++) {
    const socket = connect(listener.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("CONNECT a:1 HTTP/1.1\r\n\r\n", () => socket.resetAndDestroy());
    await waitFor(() => socket.closed);
    const answer = await fetch(`http://127.0.0.1:${listener.port}/`, { headers: { connection: "close" } });
    assert.equal(await answer.text(), "hello");
  }
});
