import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { type Answer, send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { lastingPort } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

const remove = (videoId: string) => JSON.stringify({ type: "video.delete", wochitVideoId: videoId });
const draft = (videoId: string) => JSON.stringify({ type: "draft.update", wochitVideoId: videoId });

function poster(port: () => number) {
  return (body: string): Promise<Answer> => send(port(), { method: "POST", path: "/webhooks/wochit" }, body);
}

test("healthz and readyz answer without a login; readyz says 503 only while nothing can be committed", async (t) => {
  const relay = await startRelay({ mirror: { minFreeDisk: "1024TiB" } });
  t.after(() => relay.close());
  const ask = (path: string) => send(relay.port, { method: "GET", path }, "");
  assert.equal((await ask("/healthz")).status, 200);
  const ready = await ask("/readyz");
  assert.deepEqual([ready.status, ready.json.degraded], [200, true]);
  assert.match(ready.json.reasons[0], /minFreeDisk/);
  assert.equal((await ask("/nothing")).json.error.code, "not_found");
});

test("an endpoint that is taken out of the config keeps its deliveries until it returns", async (t) => {
  const app = await openReceiver(500);
  const relay = await startRelay({
    endpoints: [endpointTo(app.url, { id: "app", retry: Array(60).fill("1s") })],
  });
  t.after(() => Promise.all([relay.close(), app.close()]));
  const post = poster(() => relay.port);
  await post(remove("v1"));
  await post(draft("v1"));
  await waitFor(() => app.requests.length >= 1);
  await relay.restart({ endpoints: [] });
  const before = app.requests.length;
  const store = await openStore(relay.config, relay.ports, { role: "operator" });
  const held = await store.deliveries({ limit: 9 });
  assert.deepEqual(
    held.map(({ state }) => state),
    ["pending", "pending"],
  );
  assert.equal(app.requests.length, before);
  app.answer(200);
  await relay.restart({ endpoints: [endpointTo(app.url, { id: "app", retry: ["50ms"] })] });
  await store.close();
  await waitFor(() => app.requests.length === before + 2);
  assert.deepEqual(
    app.requests.slice(before).map(({ json }) => json.type),
    ["video.delete", "draft.update"],
  );
});

test("an endpoint that hangs or is not there costs the others nothing", async (t) => {
  const [app, hanging] = await Promise.all([openReceiver(200), openReceiver("hang")]);
  const nowhere = await lastingPort();
  const relay = await startRelay({
    endpoints: [
      endpointTo(hanging.url, { id: "hanging", timeout: "30s", concurrency: 2 }),
      endpointTo(`http://127.0.0.1:${nowhere}/`, { id: "nowhere" }),
      endpointTo(app.url, { id: "app" }),
    ],
  });
  t.after(() => Promise.all([relay.close(), app.close(), hanging.close()]));
  const post = poster(() => relay.port);
  await Promise.all(Array.from({ length: 40 }, (_, n) => post(remove(`v${n}`))));
  await waitFor(() => app.requests.length === 40);
  assert.ok(hanging.requests.length <= 2, "no more than its concurrency");
});

test("what another process changes is noticed soon, not at the worker's next look after half a minute", async (t) => {
  const app = await openReceiver(200);
  const relay = await startRelay({ endpoints: [endpointTo(app.url, { id: "app" })] });
  t.after(() => Promise.all([relay.close(), app.close()]));
  const operator = await openStore(relay.config, relay.ports, { role: "operator" });
  t.after(() => operator.close());
  await operator.pauseEndpoint("app", "lunch", Date.now());
  const { json } = await poster(() => relay.port)(remove("v1"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(app.requests.length, 0);
  await operator.resumeEndpoint("app");
  const resumed = performance.now();
  await waitFor(() => app.requests.length === 1);
  assert.ok(performance.now() - resumed < 25_000);
  await operator.replay(json.id, { endpoint: "app", ordered: true, newId: false }, Date.now());
  await waitFor(() => app.requests.length === 2);
  assert.equal(app.requests[1]?.json.relay.replay, true);
});

test("a start that fails half-way closes what it had opened", async (t) => {
  const { port } = await listen(t, createServer());
  const relay = await startRelay();
  t.after(() => relay.close());
  const first = relay.port;
  await assert.rejects(relay.restart({ server: { listen: `127.0.0.1:${port}` } }), { message: /cannot listen/ });
  await relay.restart({ server: { listen: `127.0.0.1:${first}` } }).catch(() => relay.restart({}));
  assert.equal((await send(relay.port, { method: "GET", path: "/healthz" }, "")).status, 200);
  assert.equal(statSync(join(relay.dir, "data")).mode & 0o777, 0o700);
});
