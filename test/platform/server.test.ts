import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { test } from "node:test";
import { Hono } from "hono";
import { systemClock } from "../../src/platform/runtime.ts";
import { listen } from "../../src/platform/server.ts";
import { send } from "../support/front-door.ts";

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
  let answer = () => {};
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
  const never = assert.rejects(send(listener.port, { method: "GET", path: "/never" }, ""));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const closed = listener.close(500);
  answer();
  assert.deepEqual([(await slow).status, (await slow).text], [200, "done"]);
  await assert.rejects(send(listener.port, { method: "GET", path: "/slow" }, ""));
  await closed;
  await never;
});
