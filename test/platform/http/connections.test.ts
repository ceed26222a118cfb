import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { Hono } from "hono";
import { type Gate, type ListenOptions, listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { testLog } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

/** 127.0.0.1 may send, other addresses of this machine are strangers. */
const GATE: Gate = { isTrusted: (address) => address.endsWith("127.0.0.1"), isOpen: false, unread() {} };
const STRANGER = "127.0.0.2";

/** More than the kernel's buffers hold. */
const LARGE = new Uint8Array(2 ** 20);

type Options = ListenOptions & { tls?: { cert: string; key: string } };

async function open(t: TestContext, { tls, ...options }: Options = {}) {
  const log = testLog();
  const answers: (() => void)[] = [];
  /** Answers under way that have no end. */
  let streams = 0;
  const endless = () => {
    streams++;
    const end = () => void streams--;
    return new Response(new ReadableStream({ pull: (to) => to.enqueue(LARGE), cancel: end }, { highWaterMark: 0 }));
  };
  const app = new Hono()
    .get("/", (c) => c.text("ok"))
    .post("/", (c) => c.text("ok"))
    .get("/slow", (c) => {
      return new Promise<Response>((resolve) => {
        answers.push(() => resolve(c.text("slow")));
      });
    })
    .get("/endless", endless);
  const at = { host: "127.0.0.1", port: 0, tls: tls ?? null };
  const listener = await listen(app, at, systemClock(), {
    connectionsCheckingInterval: 20,
    gate: GATE,
    log,
    ...options,
  });
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return listener.close(100);
  });
  /** A connection from an address, on which this much is written and whose answers are read or not. */
  async function dial(from: string, bytes = "", reads = true): Promise<Socket & { text: string }> {
    const to = { port: listener.port, host: "127.0.0.1", localAddress: from };
    const socket = Object.assign(tls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to), { text: "" });
    sockets.push(socket);
    socket.on("error", () => {});
    if (reads) {
      socket.on("data", (chunk) => {
        socket.text += chunk.toString("latin1");
      });
    }
    await new Promise((resolve) => socket.once(tls ? "secureConnect" : "connect", resolve).once("close", resolve));
    if (bytes !== "") socket.write(bytes);
    return socket;
  }
  const lines = () => log.facts.filter(({ fact }) => fact === "connections were turned away");
  return { dial, lines, listener, answers, streams: () => streams };
}

const get = (path = "/") => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

function ask(port: number, from: string, keepAlive = false): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1", localAddress: from, agent: new Agent({ keepAlive }) };
    request(options, (response) => {
      response.resume().on("end", () => resolve({ status: response.statusCode!, headers: response.headers }));
    })
      .on("error", reject)
      .end();
  });
}

test("an address has a share: its oldest idle connection makes room, and one that is busy does not", async (t) => {
  const { dial, lines, listener } = await open(t, { share: 3, strangerIdle: 60_000 });
  const first = await dial(STRANGER, get());
  await waitFor(() => first.text.includes("ok"));
  const busy = [await dial(STRANGER, get("/slow")), await dial(STRANGER, get("/slow"))];
  const third = await dial(STRANGER, get("/slow"));
  await waitFor(() => first.closed);
  assert.ok([...busy, third].every((socket) => !socket.closed));
  const tooMany = await dial(STRANGER, get());
  await waitFor(() => tooMany.closed);
  assert.equal(tooMany.text, "");
  assert.equal((await ask(listener.port, "127.0.0.3")).status, 200, "another stranger has a share of its own");
  const many = await Promise.all(Array.from({ length: 10 }, () => dial("127.0.0.1", get())));
  await waitFor(() => many.every(({ text, closed }) => text.includes("ok") && !closed));
  await waitFor(() => lines().length === 1);
  const { turnedAway, closed, last, open: count } = lines()[0]!.fields;
  assert.equal(last, STRANGER);
  assert.ok(Number(turnedAway) + Number(closed) >= 1 && Number(count) >= 3);
});

test("when connections become few strangers' idle ones are closed, the oldest first, and never a sender's", async (t) => {
  const { dial, listener } = await open(t, { forStrangers: 6, atMost: 20, strangerIdle: 60_000 });
  const served = async (from: string) => {
    const socket = await dial(from, get());
    await waitFor(() => socket.text.includes("ok"));
    return socket;
  };
  const sender = await served("127.0.0.1");
  const idle: Socket[] = [];
  for (let n = 0; n < 5; n++) idle.push(await served(`127.0.0.${n + 2}`));
  await served("127.0.0.9");
  await waitFor(() => idle[0]!.closed);
  assert.deepEqual(
    idle.map(({ closed }) => closed),
    [true, false, false, false, false],
  );
  for (let n = 0; n < 12; n++) await served("127.0.0.1");
  assert.equal((await ask(listener.port, "127.0.0.1")).status, 200);
  assert.ok(!sender.closed);
  const refused = await dial("127.0.0.10", get());
  await waitFor(() => refused.closed);
  assert.equal(refused.text, "");
});

test("after a reload, too, the idle connection of a stranger that was used last is closed last", async (t) => {
  const { dial, listener } = await open(t, { forStrangers: 3, atMost: 20, strangerIdle: 60_000 });
  const answered = (socket: Socket & { text: string }, times: number) =>
    waitFor(() => socket.text.split("ok").length > times);
  const first = await dial("127.0.0.2", get());
  await answered(first, 1);
  const second = await dial("127.0.0.3", get());
  await answered(second, 1);
  first.write(get());
  await answered(first, 2);
  listener.serve(new Hono().get("/", (c) => c.text("ok")));
  await answered(await dial("127.0.0.4", get()), 1);
  await answered(await dial("127.0.0.5", get()), 1);
  await waitFor(() => second.closed);
  assert.ok(!first.closed);
});

test("a stranger's idle connection is closed soon, and its answers say so; a sender's is kept", async (t) => {
  const { dial, listener } = await open(t, { strangerIdle: 200 });
  assert.equal((await ask(listener.port, STRANGER, true)).headers["keep-alive"], "timeout=0");
  assert.equal((await ask(listener.port, "127.0.0.1", true)).headers["keep-alive"], "timeout=65");
  const [stranger, silent, sender] = [
    await dial(STRANGER, get()),
    await dial(STRANGER),
    await dial("127.0.0.1", get()),
  ];
  await waitFor(() => stranger.closed && silent.closed);
  assert.ok(stranger.text.includes("ok"));
  assert.ok(!sender.closed);
  listener.serve(new Hono(), { ...GATE, isTrusted: () => false });
  await waitFor(() => sender.closed);
});

test("where all may send, idle connections are kept, and an address has a larger share", async (t) => {
  const options = { share: 1, openShare: 3, strangerIdle: 50, gate: { ...GATE, isOpen: true } };
  const { dial } = await open(t, options);
  const three = [await dial(STRANGER, get()), await dial(STRANGER, get()), await dial(STRANGER, get())];
  await waitFor(() => three.every(({ text }) => text.includes("ok")));
  const later = await dial("127.0.0.3", get());
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok([...three, later].every(({ closed }) => !closed));
  await dial(STRANGER);
  await waitFor(() => three[0]!.closed);
});

for (const tls of [undefined, { cert: "test/fixtures/tls/cert.pem", key: "test/fixtures/tls/key.pem" }]) {
  const over = tls ? "TLS" : "TCP";
  const skip = tls && "Deno" in globalThis && "the client that Deno has for TLS reads on by itself";
  test(`over ${over}: a client that takes nothing is closed after a while, one that reads on is not`, {
    skip,
  }, async (t) => {
    const { dial, answers, streams } = await open(t, { tls, stall: 600, strangerIdle: 100 });
    await dial("127.0.0.1", get("/endless"), false);
    const reader = await dial(STRANGER, get("/endless"), false);
    reader.on("data", () => {});
    const waiting = await dial(STRANGER, get("/slow"));
    await waitFor(() => streams() === 2);
    await waitFor(() => streams() === 1);
    assert.ok(!reader.closed && !waiting.closed, "neither one that reads, nor one whose answer is being made");
    answers[0]!();
    await waitFor(() => waiting.text.includes("slow"));
  });
}

test("of clients that have stopped reading only some are held, and they make room for others", async (t) => {
  const limits = { stall: 60_000, giveWay: 300, stalledReaders: 4, forStrangers: 6 };
  const { dial, listener, streams, answers } = await open(t, limits);
  await Promise.all(Array.from({ length: 6 }, (_, n) => dial(`127.0.0.${n + 2}`, get("/endless"), false)));
  await waitFor(() => streams() === 6);
  await waitFor(() => streams() === 4);
  const more = [await dial("127.0.0.20", get("/slow")), await dial("127.0.0.20", get("/slow"))];
  await waitFor(() => answers.length === 2);
  const asked = [ask(listener.port, "127.0.0.21"), ask(listener.port, "127.0.0.21")].map(
    async (each) => (await each).status,
  );
  assert.deepEqual(await Promise.all(asked), [200, 200]);
  assert.ok(more.every(({ closed }) => !closed));
  await waitFor(() => streams() < 4);
});

test("strangers who hold all they can, idle, stalled or slow, keep no event waiting", async (t) => {
  const { dial, listener } = await open(t, { share: 20, forStrangers: 100, atMost: 120, giveWay: 300 });
  const strangers = Array.from({ length: 12 }, (_, n) => `127.0.0.${n + 2}`);
  const slow = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
  for (const [n, address] of strangers.entries())
    await Promise.all(Array.from({ length: 30 }, () => dial(address, [get(), get("/endless"), slow][n % 3], false)));
  const times: number[] = [];
  for (let n = 0; n < 100; n++) {
    const begun = performance.now();
    assert.equal((await ask(listener.port, "127.0.0.1")).status, 200);
    times.push(performance.now() - begun);
  }
  // A post that had to wait for a stranger's connection would wait for its 30 s.
  assert.ok(times.sort((a, b) => a - b)[98]! < 5_000, `p99 ${times[98]} ms`);
});

test("a stranger's requests without an answer are few, however many come at once; a sender may pipeline", async (t) => {
  const { dial, answers, lines } = await open(t);
  let parsed = 0;
  // Node publishes each request that its parser has made (nodejs.org/api/diagnostics_channel.html#http); Deno has no such parser.
  const count = () => void parsed++;
  subscribe("http.server.request.start", count);
  t.after(() => unsubscribe("http.server.request.start", count));
  const stranger = await dial(STRANGER, get("/slow").repeat(1_000));
  await waitFor(() => stranger.closed);
  assert.ok(answers.length <= 4 && parsed <= 5, `${answers.length} served, ${parsed} parsed`);
  const sender = await dial("127.0.0.1", get().repeat(1_000));
  await waitFor(() => sender.text.split("HTTP/1.1 200").length === 1_001);
  assert.deepEqual(lines(), []);
});
