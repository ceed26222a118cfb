import assert from "node:assert/strict";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from "node:http";
import test from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { Agent } from "undici";
import type { Endpoint } from "../../src/config/schema.ts";
import { decodeSecret } from "../../src/config/webhook-secret.ts";
import { RelayError } from "../../src/errors.ts";
import { createByteBudget } from "../../src/forward/byte-budget.ts";
import { createDeliveries } from "../../src/forward/deliver.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import type { DeliveryJob, DeliveryOutcome, DeliverySettled } from "../../src/model/delivery.ts";
import type { Job } from "../../src/model/job.ts";
import type { Medium } from "../../src/model/medium.ts";
import { exchange } from "../../src/platform/net/exchange.ts";
import type { Outbound } from "../../src/platform/net/outbound.ts";
import type { Ports } from "../../src/ports.ts";
import type { Store } from "../../src/store/store.ts";
import { MEDIUM } from "../message/medium.ts";
import { sha256Of } from "../support/bytes.ts";
import { listen } from "../support/listen.ts";
import { testMetrics } from "../support/metrics.ts";
import { lastingPort } from "../support/serve-process.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BODY =
  '{"type":"video.ready","videoContext":"page-1","wochitVideoId":"v1","videoUrl":"https://cdn.example.com/v.mp4?sig=topsecret"}';
const HOUR = 3_600_000;

type Received = { url: string; method: string; headers: IncomingHttpHeaders; body: Buffer; at: number };
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
type Line = { level: string; fact: string } & Record<string, unknown>;

const ok: Answer = (_, response) => response.end("thanks");
const status =
  (code: number, headers: OutgoingHttpHeaders = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end("no thanks");

/** An endpoint that answers as told, the forwarder that posts to it, and all that can be seen from outside. */
async function setUp(t: test.TestContext, answer: Answer, changes: Partial<Endpoint> = {}) {
  const received: Received[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", () => {
      const { url = "", method = "", headers } = incoming;
      received.push({ url, method, headers, body: Buffer.concat(chunks), at: performance.now() });
      answer(incoming, response);
    });
  });
  const { port, close } = await listen(null, server);
  const agent = new Agent({ connections: 64 });
  t.after(async () => {
    await agent.destroy();
    await close();
  });

  const outbound: Outbound = {
    request: () => assert.fail("an endpoint gets a POST"),
    async exchange(url, { reading, ...options }) {
      assert.equal(url.username + url.password + url.hash, "", "credentials travel in a header");
      const request = { origin: url.origin, path: url.pathname + url.search, method: "POST", ...options } as const;
      return exchange(agent, request, reading).catch((error) => {
        throw options.signal.aborted ? new Error("this port does not say why it was aborted") : error;
      });
    },
    close: () => agent.close(),
  };
  const lines: Line[] = [];
  const write = (level: string) => (fact: string, fields?: Record<string, unknown>) => {
    lines.push({ level, fact, ...fields });
  };
  const metrics = testMetrics();
  const ports: Ports = {
    clock: {
      now: Date.now,
      elapsed: () => performance.now(),
      after(ms, run) {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    random: { float: () => 0.5, bytes: (length) => new Uint8Array(length) },
    metrics,
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
  };
  const settled: { job: Job; outcome: DeliveryOutcome; now: number }[] = [];
  const verdict: DeliverySettled = {
    ...{ settled: true, isProbe: false, state: "delivered", nextAttemptAt: null, waitsFor: null, paused: false },
    ...{ breaker: null, feeds: [] },
  };
  const woken: string[][] = [];
  const waiting: DeliveryJob[] = [];
  const claims: unknown[] = [];
  let body: Uint8Array | null = Buffer.from(BODY);
  const store: Pick<Store, "claimDeliveries" | "settleDelivery" | "eventBody" | "renew"> = {
    async eventBody() {
      if (body === null) throw new RelayError("body_expired", "the body has been pruned");
      return body;
    },
    async claimDeliveries(wish) {
      claims.push(wish);
      return { jobs: waiting.splice(0, wish.limit), nextDue: null };
    },
    async settleDelivery(job, outcome, now) {
      settled.push({ job, outcome, now });
      return verdict;
    },
    renew: async () => true,
  };
  const endpoint: Endpoint = {
    id: "cms",
    url: `http://127.0.0.1:${port}/hooks/wochit?key=querysecret`,
    keys: [decodeSecret(SECRET)],
    events: ["*"],
    filter: { context: null, videoId: null },
    coalesce: [],
    paused: false,
    body: "enriched",
    send: "after-mirror",
    maxWait: HOUR,
    order: "video",
    laneHold: 6 * HOUR,
    tls: null,
    headers: {},
    headerNames: [],
    secrets: [],
    timeout: 5_000,
    concurrency: 8,
    ratePerSecond: null,
    retry: [5_000, 30_000],
    allowPrivateAddresses: true,
    ...changes,
  };
  const budget = createByteBudget();
  const link = () => "https://relay.example.com/media/v1/video.mp4";
  const wake = (endpoints: string[]) => void woken.push(endpoints);
  const parts = { endpoint, store, outbound, budget, ports, link, wake };
  const queue = createDeliveries({ ...parts, userAgent: "wochit-relay/1.2.3" });
  const abort = new AbortController();
  const run = (job: DeliveryJob) => queue.run(job, { signal: abort.signal, ending: abort.signal, yieldSlot() {} });
  /** Runs one job and gives the one outcome that it settled with. */
  async function settle({
    body: received = Buffer.from(BODY),
    ...changes
  }: Partial<DeliveryJob> & { body?: Uint8Array | null } = {}): Promise<DeliveryOutcome> {
    body = received;
    const before = settled.length;
    await run(makeJob({ bytes: body?.length ?? null, ...changes }));
    assert.equal(settled.length, before + 1, "a job settles once");
    return settled.at(-1)!.outcome;
  }
  return {
    received,
    lines,
    settled,
    verdict,
    woken,
    waiting,
    claims,
    store,
    ports,
    metrics,
    queue,
    abort,
    run,
    settle,
    port,
    endpoint,
  };
}

function makeJob(changes: Partial<DeliveryJob> = {}): DeliveryJob {
  return {
    id: "del_1",
    queue: "deliver/cms",
    body: null,
    attempts: 0,
    claim: "1",
    eventId: "evt_1",
    videoId: "v1",
    endpoint: "cms",
    replay: false,
    messageId: "evt_1",
    event: {
      id: "evt_1",
      receivedAt: 1_700_000_000_000,
      type: "video.ready",
      dialect: "typed",
      failure: false,
      videoId: "v1",
      context: "page-1",
      contextFrom: "event",
      late: false,
      sequence: 1,
      sourceAddress: "127.0.0.1",
      duplicates: 0,
      status: "waiting",
    },
    bytes: BODY.length,
    media: [],
    contexts: [],
    ...changes,
  };
}

/** What an outcome says of the answer, without what was sent and what was answered. */
function answerOf({ attempt: { status, error }, failure, retryAfter, isLast }: DeliveryOutcome) {
  return { status, error, failure, retryAfter, isLast };
}

const ANSWERED = { failure: null, retryAfter: 0, isLast: false };
const SUCCESS = { ...ANSWERED, status: 200, error: null };

test("a delivery is one POST of the enriched body, and both libraries verify the bytes that arrived", async (t) => {
  const { received, settle } = await setUp(t, ok);
  const outcome = await settle({ attempts: 2, messageId: "evt_message" });
  assert.deepEqual(answerOf(outcome), SUCCESS);
  assert.equal(received.length, 1);
  const { url, method, headers, body } = received[0]!;
  assert.equal(`${method} ${url}`, "POST /hooks/wochit?key=querysecret");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["user-agent"], "wochit-relay/1.2.3");
  assert.equal(headers["content-length"], String(body.length));
  assert.equal(headers["webhook-id"], "evt_message");
  assert.equal(headers["webhook-attempt"], "3");
  assert.ok(Math.abs(Number(headers["webhook-timestamp"]) - Date.now() / 1000) < 5);
  assert.equal(headers.authorization, undefined);
  assert.equal(JSON.parse(body.toString("utf8")).relay.eventId, "evt_1");
  assert.deepEqual([outcome.attempt.bytes, outcome.attempt.sha256], [body.length, sha256Of(body)]);
  assert.equal(outcome.spread, 0.5, "the random part of the next wait");
  for (const Library of [Webhook, SvixWebhook]) {
    new Library(SECRET).verify(body.toString("utf8"), headers as Record<string, string>);
    assert.throws(() => new Library(OLD_SECRET).verify(body.toString("utf8"), headers as Record<string, string>));
  }
});

test("while secrets rotate, consumers with the new and with the old one verify it", async (t) => {
  const { received, settle } = await setUp(t, ok, { keys: [SECRET, OLD_SECRET].map(decodeSecret) });
  await settle();
  const { headers, body } = received[0]!;
  for (const secret of [SECRET, OLD_SECRET]) {
    new Webhook(secret).verify(body.toString("utf8"), headers as Record<string, string>);
  }
});

test("a verbatim endpoint gets the received bytes, a replay in an enriched one says so", async (t) => {
  const verbatim = await setUp(t, ok, { body: "verbatim" });
  const bytes = Buffer.from(' {"a":1, "a":1.0,"relay":0}\n');
  await verbatim.settle({ body: bytes, replay: true });
  assert.deepEqual(verbatim.received[0]!.body, bytes);
  const enriched = await setUp(t, ok);
  await enriched.settle({ replay: true });
  assert.equal(JSON.parse(enriched.received[0]!.body.toString()).relay.replay, true);
});

test("the operator's headers are sent, but none of them replaces one of ours", async (t) => {
  const { received, settle } = await setUp(t, ok, {
    headers: {
      "X-Team": "video",
      Authorization: "Bearer abc",
      "Content-Type": "text/plain",
      "Webhook-Id": "forged",
      "WEBHOOK-SIGNATURE": "forged",
      "webhook-attempt": "9",
      "Webhook-Other": "forged",
      Host: "forged",
      "Proxy-Connection": "close",
      "User-Agent": "forged",
      "Content-Length": "1",
      "Transfer-Encoding": "chunked",
      Connection: "close",
    },
  });
  assert.equal((await settle()).attempt.status, 200);
  const { headers } = received[0]!;
  assert.equal(headers["x-team"], "video");
  assert.equal(headers.authorization, "Bearer abc");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["webhook-id"], "evt_1");
  assert.equal(headers["webhook-attempt"], "1");
  assert.equal(headers["user-agent"], "wochit-relay/1.2.3");
  assert.match(headers["webhook-signature"] as string, /^v1,/);
  assert.notEqual(headers.connection, "close");
  assert.notEqual(headers.host, "forged");
  assert.deepEqual([headers["webhook-other"], headers["proxy-connection"]], [undefined, undefined]);
});

test("userinfo of the URL becomes Basic authentication", async (t) => {
  const first = await setUp(t, ok);
  const url = `${first.endpoint.url.replace("http://", "http://us%C3%A9r:p%40ss%25@")}#part`;
  const { received, settle } = await setUp(t, ok, { url });
  assert.equal((await settle()).attempt.status, 200);
  assert.equal(received.length, 0, "this one listens elsewhere");
  const expected = `Basic ${Buffer.from("usér:p@ss%").toString("base64")}`;
  assert.equal(first.received[0]!.headers.authorization, expected);
});

test("any 2xx is a success, and its attempt is logged with what was answered", async (t) => {
  for (const code of [200, 202, 204, 299]) {
    const { settle, settled } = await setUp(t, (_, response) => response.writeHead(code).end(code === 204 ? "" : "ok"));
    const outcome = await settle();
    const { attempt } = outcome;
    assert.deepEqual(answerOf(outcome), { ...ANSWERED, status: code, error: null });
    assert.equal(attempt.response === null ? null : String(attempt.response), code === 204 ? null : "ok");
    assert.ok(attempt.duration >= 0 && attempt.duration < 2000 && Number.isInteger(attempt.duration));
    assert.ok(Math.abs(attempt.startedAt - settled[0]!.now) < 2000);
  }
});

test("a 2xx stays a success when its body breaks off", async (t) => {
  const { settle } = await setUp(t, (_, response) => {
    response
      .writeHead(200, { "content-length": "100" })
      .write("half", () => setTimeout(() => response.socket?.destroy(), 50));
  });
  assert.deepEqual(answerOf(await settle()), SUCCESS);
});

test("every other status fails, and is an answer", async (t) => {
  for (const code of [300, 304, 400, 401, 404, 410, 429, 500, 503]) {
    const { settle } = await setUp(t, status(code));
    const outcome = await settle({ attempts: 1 });
    assert.deepEqual(answerOf(outcome), { ...ANSWERED, status: code, error: `HTTP ${code}` });
    assert.equal(String(outcome.attempt.response), code === 304 ? "null" : "no thanks");
  }
});

test("a redirect is a failure and is not followed", async (t) => {
  const { received, settle } = await setUp(t, status(307, { location: "/elsewhere" }));
  const outcome = await settle();
  assert.deepEqual(answerOf(outcome), { ...ANSWERED, status: 307, error: "HTTP 307" });
  assert.equal(received.length, 1);
});

test("Retry-After is read on any failure, as seconds or as a date, and is nothing on a success", async (t) => {
  for (const code of [302, 404, 429, 503]) {
    const { settle } = await setUp(t, status(code, { "retry-after": "600" }));
    assert.equal((await settle()).retryAfter, 600_000);
  }
  const date = await setUp(t, status(503, { "retry-after": new Date(Date.now() + HOUR).toUTCString() }));
  const { retryAfter } = await date.settle();
  assert.ok(retryAfter > HOUR - 60_000 && retryAfter <= HOUR, `${retryAfter}`);
  for (const text of ["soon", "-5", new Date(Date.now() - HOUR).toUTCString()]) {
    const odd = await setUp(t, status(503, { "retry-after": text }));
    assert.equal((await odd.settle()).retryAfter, 0, text);
  }
  const good = await setUp(t, status(200, { "retry-after": "600" }));
  assert.equal((await good.settle()).retryAfter, 0);
});

test("an answer that asks for no further attempt says so, but not on a success", async (t) => {
  const isLast = async (code: number, headers: OutgoingHttpHeaders) =>
    (await (await setUp(t, status(code, headers))).settle()).isLast;
  for (const code of [307, 400, 500]) assert.equal(await isLast(code, { "Webhook-Delivery": "abort-message" }), true);
  for (const value of ["Abort-Message", ["abort-message", "abort-message"]])
    assert.equal(await isLast(503, { "webhook-delivery": value }), true, `${value}`);
  assert.equal(await isLast(200, { "webhook-delivery": "abort-message" }), false);
  assert.equal(await isLast(500, { "webhook-delivery": "abort" }), false);
});

test("of a body that retention has taken nothing is sent, and no attempt follows", async (t) => {
  const { settle, received } = await setUp(t, ok);
  const outcome = await settle({ body: null });
  const end = { status: null, error: "body_expired", failure: "body", retryAfter: 0, isLast: true };
  assert.deepEqual(answerOf(outcome), end);
  assert.deepEqual([outcome.attempt.bytes, outcome.attempt.sha256], [null, null]);
  assert.equal(received.length, 0);
});

test("no answer within the timeout is a failure that says so", async (t) => {
  const { settle, received } = await setUp(t, () => {}, { timeout: 1_000 });
  const begun = performance.now();
  const outcome = await settle();
  const took = performance.now() - begun;
  const end = { ...ANSWERED, status: null, error: "no answer within 1 s", failure: "timeout" };
  assert.deepEqual(answerOf(outcome), end);
  assert.equal(outcome.attempt.response, null);
  assert.deepEqual([outcome.attempt.bytes, outcome.attempt.sha256?.length], [received[0]?.body.length, 64]);
  assert.ok(took > 990 && took < 30_000, `${took} ms`);
});

test("the timeout is total: a head that drips does not stretch it", async (t) => {
  const { settle } = await setUp(
    t,
    (_, response) => {
      response.socket?.write("HTTP/1.1 200 OK\r\n");
      const drip = setInterval(() => response.socket?.write("x-drip: 1\r\n"), 20);
      response.socket?.on("close", () => clearInterval(drip));
    },
    { timeout: 200 },
  );
  const begun = performance.now();
  const outcome = await settle();
  assert.equal(outcome.attempt.error, "no answer within 200 ms");
  assert.ok(performance.now() - begun < 30_000);
});

test("a body that drips for ever holds its slot for a second, and the status counts", async (t) => {
  for (const code of [200, 500]) {
    const { settle } = await setUp(
      t,
      (_, response) => {
        response.writeHead(code).write("drop ");
        const drip = setInterval(() => response.write("drop "), 20);
        response.on("close", () => clearInterval(drip));
      },
      { timeout: 60_000 },
    );
    const begun = performance.now();
    const outcome = await settle();
    const took = performance.now() - begun;
    assert.deepEqual(answerOf(outcome), { ...ANSWERED, status: code, error: code === 200 ? null : "HTTP 500" });
    assert.match(String(outcome.attempt.response), /^(drop )+$/);
    assert.ok(took > 800 && took < 30_000, `${took} ms`);
  }
});

test("of a long answer the first 16 KiB are kept, and an endless one is cut off", async (t) => {
  const chunk = Buffer.alloc(1024);
  let written = 0;
  const { settle } = await setUp(t, (_, response) => {
    response.writeHead(200);
    const write = () => {
      do {
        chunk.fill(written % 251);
        written += chunk.length;
      } while (!response.destroyed && response.write(Buffer.from(chunk)));
    };
    response.on("drain", write);
    write();
  });
  const { attempt } = await settle();
  assert.equal(attempt.status, 200);
  assert.ok(written < 32 * 2 ** 20, "it is not read until the second has passed");
  assert.equal(attempt.response?.length, 16 * 1024);
  assert.deepEqual(
    Array.from({ length: 16 }, (_, n) => attempt.response?.[n * 1024 + 1023]),
    Array.from({ length: 16 }, (_, n) => (n * 1024) % 251),
  );
});

test("what an answer repeats of a header is not kept, also where the answer is cut off within it", async (t) => {
  const headers = { "x-gate": "Bearer gate-hush-hush" };
  const kept = async (body: string) => {
    const { settle } = await setUp(t, (_, response) => response.end(body), { headers });
    return String((await settle()).attempt.response);
  };
  assert.equal(await kept("a Bearer gate-hush-hush b gate-hush-hush"), "a (set) b (set)");
  const long = await kept(`${"x".repeat(16 * 1024 - 12)}gate-hush-hush, and more`);
  assert.equal(long, "x".repeat(16 * 1024 - 12));
  assert.equal(await kept("gate-hush-hu"), "gate-hush-hu", "the beginning alone is not it");
});

test("an answer of up to 64 KiB is read to its end, so that the connection serves the next attempt", async (t) => {
  const sockets = new Set();
  const { settle } = await setUp(t, (incoming, response) => {
    sockets.add(incoming.socket);
    let parts = 0;
    const write = () =>
      ++parts < 6 ? response.write("x".repeat(10 * 1024)) && setImmediate(write) : response.end("x");
    write();
  });
  for (let n = 0; n < 3; n++) {
    assert.equal((await settle()).attempt.response?.length, 16 * 1024);
    await new Promise((resolve) => setImmediate(resolve)); // the pool takes a connection back a moment after the end
  }
  assert.equal(sockets.size, 1);
});

test("an endpoint that is not there is a failure with the system's word for it", async (t) => {
  const gone = await lastingPort();
  const { settle } = await setUp(t, ok, { url: `http://user:passsecret@127.0.0.1:${gone}/?key=querysecret` });
  const outcome = await settle();
  assert.deepEqual([outcome.failure, outcome.attempt.status, outcome.isLast], ["connection", null, false]);
  assert.match(outcome.attempt.error ?? "", /ECONNREFUSED/);
  assert.doesNotMatch(outcome.attempt.error ?? "", /secret|user|\n/);
});

test("an answer that breaks off before its status is a failed connection", async (t) => {
  const { settle } = await setUp(t, (_, response) => response.socket?.destroy());
  const { failure, attempt } = await settle();
  assert.deepEqual([failure, attempt.status], ["connection", null]);
});

test("when a body cannot be built it is a failed attempt, not a broken job", async (t) => {
  const { settle, received } = await setUp(t, ok);
  const outcome = await settle({ media: null as never });
  assert.deepEqual([outcome.failure, outcome.attempt.status, outcome.attempt.bytes], ["body", null, null]);
  assert.notEqual(outcome.attempt.error, null);
  assert.equal(received.length, 0);
});

test("an attempt that its lease aborts ends at once and settles nothing", async (t) => {
  let arrived = () => {};
  const { run, abort, settled, lines } = await setUp(t, () => arrived(), { timeout: 60_000 });
  const there = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const running = run(makeJob());
  await there;
  const begun = performance.now();
  abort.abort(new Error("the relay is stopping"));
  await running;
  assert.ok(performance.now() - begun < 30_000);
  assert.deepEqual(settled, []);
  assert.deepEqual(lines, []);
});

test("an abort while the answer's body is read settles nothing either", async (t) => {
  let begun = () => {};
  const { run, abort, settled } = await setUp(t, (_, response) => {
    response.writeHead(200).write("some", () => setTimeout(begun, 50));
  });
  const there = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const running = run(makeJob());
  await there;
  abort.abort();
  await running;
  assert.deepEqual(settled, []);
});

test("a store that cannot settle leaves the job to its lease", async (t) => {
  const { run, store, lines } = await setUp(t, ok);
  store.settleDelivery = async () => {
    throw new Error("disk full");
  };
  await assert.rejects(run(makeJob()), /disk full/);
  assert.deepEqual(lines, []);
});

const ABOUT = { event: "evt_1", type: "video.ready", video: "v1", delivery: "del_1", endpoint: "cms", attempt: 1 };

test("the log says what became of each attempt, by the store's verdict", async (t) => {
  const at = Date.UTC(2026, 0, 1);
  const about = { ...ABOUT, status: 410, error: "HTTP 410" };
  const ends: [Partial<DeliverySettled>, object][] = [
    [
      { state: "pending", nextAttemptAt: at },
      { level: "warn", fact: "delivery failed", ...about, nextAt: "2026-01-01T00:00:00.000Z" },
    ],
    [
      { state: "pending", nextAttemptAt: null, waitsFor: { is: "breaker", until: at, of: "cms" } },
      {
        ...{ level: "warn", fact: "delivery failed", ...about },
        waits: "endpoint cms is failing: only probes are sent, the next at 2026-01-01T00:00:00.000Z",
      },
    ],
    [{ state: "dead" }, { level: "error", fact: "delivery dead", ...about }],
    [{ state: "superseded" }, { level: "info", fact: "delivery superseded", ...about }],
    [{ state: "canceled" }, { level: "info", fact: "delivery canceled", ...about }],
    [{ settled: false }, { level: "warn", fact: "delivery not settled: its lease was lost", ...about }],
  ];
  for (const [verdict, line] of ends) {
    const failing = await setUp(t, status(410));
    Object.assign(failing.verdict, verdict);
    await failing.settle();
    assert.deepEqual(
      failing.lines.map(({ ms, ...rest }) => rest),
      [line],
    );
  }
  const good = await setUp(t, ok);
  await good.settle();
  const [{ ms, ...line }] = good.lines as [Line];
  assert.deepEqual(line, { level: "info", fact: "delivered", ...ABOUT, status: 200 });
});

test("failures of an endpoint that are alike are one line a minute; each that is dead has its own", async (t) => {
  const { settle, verdict, lines } = await setUp(t, status(503));
  Object.assign(verdict, { state: "pending", nextAttemptAt: 0 });
  for (let n = 0; n < 5; n++) await settle({ id: `del_${n}` });
  verdict.state = "dead";
  for (let n = 0; n < 3; n++) await settle({ id: `del_${n}` });
  assert.deepEqual(
    lines.map(({ fact, delivery }) => `${fact} ${delivery}`),
    ["delivery failed del_0", "delivery dead del_0", "delivery dead del_1", "delivery dead del_2"],
  );
});

test("an attempt goes on in its event's trace as a span of its own, and its line has both; without one nothing is sent of it", async (t) => {
  const id = "0af7651916cd43dd8448eb211c80319c";
  const trace = { id, parent: "b7ad6b7169203331", flags: "01", state: "a=1" };
  const { received, lines, settle, ports } = await setUp(t, ok, { headers: { traceparent: "the operator's" } });
  const spans = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)];
  ports.random.bytes = () => spans.shift()!;
  const { event } = makeJob();
  await settle({ event: { ...event, trace } });
  await settle({ event: { ...event, trace: { ...trace, state: null } } });
  await settle();
  assert.deepEqual(
    received.map(({ headers: { traceparent, tracestate } }) => [traceparent, tracestate]),
    [
      [`00-${id}-${"01".repeat(8)}-01`, "a=1"],
      [`00-${id}-${"02".repeat(8)}-01`, undefined],
      ["the operator's", undefined],
    ],
  );
  assert.deepEqual(
    lines.map(({ trace, span }) => [trace, span]),
    [
      [id, "01".repeat(8)],
      [id, "02".repeat(8)],
      [undefined, undefined],
    ],
  );
});

test("the log says when an answer opens or closes the breaker, or pauses the endpoint", async (t) => {
  const about = { endpoint: "cms" };
  const reason = "answered 410 Gone for two videos in a row";
  const changes: [Partial<DeliverySettled>, object][] = [
    [{ paused: true }, { level: "error", fact: "endpoint paused", event: "evt_1", ...about, reason }],
    [
      { breaker: "opened" },
      { level: "error", fact: "endpoint failing: only probes are sent", ...about, error: "HTTP 410" },
    ],
    [{ breaker: "closed" }, { level: "info", fact: "endpoint recovered: its deliveries go on", ...about }],
  ];
  for (const [verdict, line] of changes) {
    const one = await setUp(t, status(410));
    Object.assign(one.verdict, { state: "pending", nextAttemptAt: 0 }, verdict);
    await one.settle();
    assert.deepEqual(one.lines.slice(1), [line]);
  }
});

test("each attempt is counted by what it came to, and a delivery by how it ended", async (t) => {
  const reported = async (answer: Answer, change: Partial<Endpoint>, verdict: Partial<DeliverySettled>, job = {}) => {
    const one = await setUp(t, answer, change);
    Object.assign(one.verdict, verdict);
    await one.settle(job);
    return one.metrics.reported.map(([name, endpoint, what]) => `${name} ${endpoint} ${what}`);
  };
  const tried: Partial<DeliverySettled> = { state: "pending", nextAttemptAt: 0 };
  const ended = ["attempted cms 2xx", "deliverySettled cms delivered"];
  const gone = `http://127.0.0.1:${await lastingPort()}/`;
  const silent: Answer = () => {};
  assert.deepEqual(await reported(ok, {}, {}), ended);
  assert.deepEqual(await reported(ok, {}, { isProbe: true }), ended);
  assert.deepEqual(await reported(status(302), {}, tried), ["attempted cms 3xx"]);
  assert.deepEqual(await reported(status(422), {}, tried), ["attempted cms 4xx"]);
  assert.deepEqual(await reported(status(503), {}, { state: "dead" }), [
    "attempted cms 5xx",
    "deliverySettled cms dead",
  ]);
  assert.deepEqual(await reported(status(503), {}, { ...tried, isProbe: true }), ["attempted cms probe"]);
  assert.deepEqual(await reported(silent, { timeout: 50 }, tried), ["attempted cms timeout"]);
  assert.deepEqual(await reported(ok, { url: gone }, tried), ["attempted cms connect"]);
  assert.deepEqual(await reported(ok, { url: "http://app.invalid/" }, tried), ["attempted cms dns"]);
  assert.deepEqual(await reported(ok, { url: gone.replace("http", "https") }, tried), ["attempted cms connect"]);
  assert.deepEqual(await reported(ok, {}, { state: "dead" }, { body: null }), [
    "attempted cms unsent",
    "deliverySettled cms dead",
  ]);
  assert.deepEqual(await reported(ok, {}, { settled: false }), ["attempted cms 2xx"]);
  const { endpoint } = await setUp(t, ok);
  const noTls = endpoint.url.replace("http", "https");
  assert.deepEqual(await reported(ok, { url: noTls }, tried), ["attempted cms tls"]);
});

test("endpoints that have work by an attempt's end are woken", async (t) => {
  const { settle, verdict, woken } = await setUp(t, ok);
  await settle();
  assert.deepEqual(woken, []);
  verdict.feeds = ["ops", "audit"];
  await settle();
  assert.deepEqual(woken, [["ops", "audit"]]);
});

test("no log line holds a body, a secret, a query string or userinfo", async (t) => {
  for (const answer of [ok, status(500), status(302, { location: "http://a/?topsecret" }), (() => {}) as Answer]) {
    const plain = await setUp(t, answer, { timeout: 300 });
    const url = `http://user:passsecret@127.0.0.1:${plain.port}/?key=querysecret`;
    const { settle, lines } = await setUp(t, answer, { timeout: 300, url, headers: { "x-key": "headersecret" } });
    await settle();
    await settle({ attempts: 99, media: null as never });
    assert.equal(lines.length, 2);
    const text = JSON.stringify(lines);
    for (const secret of ["secret", SECRET.slice(6), "thanks", "page-1", "v1,"]) {
      assert.ok(!text.includes(secret), `${secret} in ${text}`);
    }
  }
});

test("the queue claims the deliveries of its endpoint", async (t) => {
  const { queue, claims } = await setUp(t, ok, { concurrency: 3 });
  assert.equal(queue.name, "deliver/cms");
  assert.equal(queue.concurrency, 3);
  assert.deepEqual((await queue.claim({ limit: 2, now: 1000, leaseFor: 30_000 })).jobs, []);
  assert.deepEqual(claims, [{ endpoint: "cms", limit: 2, now: 1000, leaseFor: 30_000 }]);
});

test("ratePerSecond spreads the starts evenly, in the order of the claims", async (t) => {
  const { run, received } = await setUp(t, ok, { ratePerSecond: 20 });
  const begun = performance.now();
  await Promise.all(Array.from({ length: 6 }, (_, n) => run(makeJob({ id: `del_${n}`, messageId: `evt_${n}` }))));
  assert.deepEqual(
    received.map(({ headers }) => headers["webhook-id"]),
    ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4", "evt_5"],
  );
  // The nth start is n * 50 ms after the first, or later.
  for (const [n, { at }] of received.entries()) assert.ok(at - begun > n * 50 - 5, `${n} after ${at - begun} ms`);
  assert.ok(received.at(-1)!.at - begun < 20_000);
});

test("an abort ends a wait for one's turn, and nothing is sent", async (t) => {
  const { run, abort, received, settled } = await setUp(t, ok, { ratePerSecond: 0.01 });
  await run(makeJob());
  const waiting = run(makeJob());
  abort.abort();
  await waiting;
  assert.equal(received.length, 1);
  assert.equal(settled.length, 1);
});

test("a worker delivers all that is due, never more at once than the endpoint's concurrency", async (t) => {
  let open = 0;
  let most = 0;
  const { queue, store, ports, waiting, settled, received } = await setUp(
    t,
    (_, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.end();
      }, 5);
    },
    { concurrency: 4 },
  );
  for (let n = 0; n < 60; n++) waiting.push(makeJob({ id: `del_${n}`, messageId: `evt_${n}` }));
  const worker = startWorker(queue, store as Store, ports);
  while (settled.length < 60) await new Promise((resolve) => setTimeout(resolve, 5));
  await worker.stop(1000);
  assert.equal(most, 4);
  assert.deepEqual(new Set(settled.map(({ outcome }) => outcome.attempt.status)), new Set([200]));
  assert.equal(new Set(received.map(({ headers }) => headers["webhook-id"])).size, 60);
});

test("an attempt that told media as pending settles with them, once it is delivered, and only an enriched one", async (t) => {
  const { settle } = await setUp(t, ok);
  const pending = async (job: Partial<DeliveryJob>) => (await settle(job)).pending;
  assert.deepEqual(await pending({ media: [MEDIUM] }), [{ mediumId: "med_1", status: "pending" }]);
  assert.deepEqual(await pending({ media: [{ ...MEDIUM, state: "mirrored", target: "tgt_1", key: "k" }] }), []);
  const verbatim = await setUp(t, ok, { body: "verbatim" });
  assert.deepEqual((await verbatim.settle({ media: [MEDIUM] })).pending, []);
  for (const answer of [status(500), (() => {}) as Answer]) {
    const failing = await setUp(t, answer, { timeout: 500 });
    assert.deepEqual((await failing.settle({ media: [MEDIUM] })).pending, []);
  }
});

test("a notice goes out signed like any message, to a verbatim endpoint too, and settles without pending media", async (t) => {
  const relay = { aboutEventId: "evt_1", at: "2026-11-21T12:00:00.000Z", reason: "HTTP 403" };
  const stored = { type: "relay.media.failed", wochitVideoId: "v1", videoContext: "page-1", relay };
  const job = makeJob();
  const event = { ...job.event, id: "evt_9", type: stored.type, dialect: "notice" as const, sequence: null };
  const media: Medium[] = [
    { ...MEDIUM, state: "failed", lastError: "HTTP 403" },
    { ...MEDIUM, id: "med_2", kind: "thumbnail" },
  ];
  for (const body of ["enriched", "verbatim"] as const) {
    const { received, settle } = await setUp(t, ok, { body });
    const letter = { eventId: "evt_9", messageId: "evt_9", event, body: Buffer.from(JSON.stringify(stored)), media };
    const outcome = await settle(letter);
    assert.deepEqual([outcome.attempt.status, outcome.pending], [200, []]);
    const { headers, body: bytes } = received[0]!;
    assert.equal(headers["webhook-id"], "evt_9");
    const text = bytes.toString("utf8");
    for (const Library of [Webhook, SvixWebhook]) {
      new Library(SECRET).verify(text, headers as Record<string, string>);
      assert.throws(() => new Library(OLD_SECRET).verify(text, headers as Record<string, string>));
    }
    const sent = JSON.parse(text);
    assert.deepEqual([sent.type, sent.wochitVideoId, sent.videoContext], ["relay.media.failed", "v1", "page-1"]);
    const { media: told, ...rest } = sent.relay;
    assert.deepEqual(rest, relay);
    assert.deepEqual([told.video.status, told.video.error, told.thumbnail.status], ["failed", "HTTP 403", "pending"]);
  }
});
