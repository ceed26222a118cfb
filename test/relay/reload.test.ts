import assert from "node:assert/strict";
import { createServer } from "node:http";
import { request as secureRequest } from "node:https";
import type { Socket } from "node:net";
import { resolve } from "node:path";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { Config } from "../../src/config/schema.ts";
import { openStore } from "../../src/store/open.ts";
import { withStage } from "../e2e/stage.ts";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Received } from "../support/receiver.ts";
import { endpointTo, SECRET, startRelay } from "../support/relay-in-folder.ts";
import { makeTask } from "../support/tasks.ts";
import { waitFor } from "../support/wait.ts";

const OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPHl8C1VyYzE=";

const remove = (videoId: string) => JSON.stringify({ type: "video.delete", wochitVideoId: videoId });

function postOverTls(port: number): Promise<number | undefined> {
  return new Promise((answered, reject) => {
    const options = { host: "127.0.0.1", port, path: "/webhooks/wochit", method: "POST", rejectUnauthorized: false };
    secureRequest(options, (response) => answered(response.resume().statusCode))
      .on("error", reject)
      .end(remove("x"));
  });
}

const isSignedBy = (secret: string, { body, headers }: Received) => {
  try {
    new Webhook(secret).verify(body.toString(), headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
};

test("an endpoint that is added, changed or taken away is so from the reload on, and the others do not notice", async (t) => {
  const [one, two] = await Promise.all([openReceiver(), openReceiver()]);
  const relay = await startRelay({ endpoints: [endpointTo(one.url, { id: "one" })] });
  t.after(() => Promise.all([relay.close(), one.close(), two.close()]));
  const post = (id: string) => send(relay.port, { method: "POST", path: "/webhooks/wochit" }, remove(id));

  await post("a");
  await waitFor(() => one.requests.length === 1);
  const added = await relay.reload({
    endpoints: [endpointTo(one.url, { id: "one" }), endpointTo(two.url, { id: "two" })],
  });
  assert.deepEqual(added, { changed: ["endpoints"], needsRestart: [], warnings: [] });
  await post("b");
  await waitFor(() => one.requests.length === 2 && two.requests.length === 1);

  await relay.reload({
    endpoints: [endpointTo(one.url, { id: "one", secret: OTHER_SECRET }), endpointTo(two.url, { id: "two" })],
  });
  await post("c");
  await waitFor(() => one.requests.length === 3 && two.requests.length === 2);
  assert.ok(isSignedBy(SECRET, one.requests[1]!));
  assert.ok(isSignedBy(OTHER_SECRET, one.requests[2]!) && !isSignedBy(SECRET, one.requests[2]!));

  await relay.reload({ endpoints: [endpointTo(two.url, { id: "two" })] });
  await post("d");
  await waitFor(() => two.requests.length === 3);
  assert.equal(one.requests.length, 3);
});

test("the audit has what a reload changed, by its name, and nothing of one that changed nothing or was refused", async (t) => {
  const relay = await startRelay({ receive: { token: "sesame" } });
  t.after(() => relay.close());
  await relay.reload({ receive: { token: "mustard" }, mirror: { concurrency: 1 } });
  await relay.reload({ receive: { token: "mustard" }, mirror: { concurrency: 1 } });
  const [cert, key] = ["/nowhere/cert.pem", "/nowhere/key.pem"];
  await assert.rejects(relay.reload({ admin: { listen: "127.0.0.1:0", tls: { cert, key } } }));
  const store = await openStore(relay.config, realPorts(), { role: "operator" });
  t.after(() => store.close());
  const [entry] = await waitFor(async () => {
    const entries = await store.audit({ limit: 9 });
    return entries.length > 0 && entries;
  });
  const { id: _, at: __, ...said } = entry!;
  const whole = { through: "relay", by: "SIGHUP", verb: "reload", count: null, outcome: "done" };
  assert.deepEqual(said, { ...whole, subject: "receive, mirror" });
  assert.equal((await store.audit({ limit: 9 })).length, 1);
});

test("an attempt under way ends as it began, once, and nothing of the old endpoint is left after it", async (t) => {
  let answer = () => {};
  let open = 0;
  const seen: string[] = [];
  const slow = createServer((request, response) => {
    request.resume();
    seen.push(String(request.headers["webhook-id"]));
    if (seen.length > 1) return void response.end();
    answer = () => response.end();
  });
  slow.on("connection", (socket) => {
    open++;
    socket.on("close", () => open--);
  });
  const { url, close } = await listen(null, slow);
  const relay = await startRelay({ endpoints: [endpointTo(url, { timeout: "10s" })] });
  t.after(async () => {
    await relay.close();
    await close();
  });
  const post = (id: string) => send(relay.port, { method: "POST", path: "/webhooks/wochit" }, remove(id));
  await post("a");
  await waitFor(() => seen.length === 1);
  await relay.reload({ endpoints: [] });
  answer();
  await waitFor(() => open === 0);
  await relay.reload({ endpoints: [endpointTo(url, { timeout: "9s" })] });
  await post("b");
  await waitFor(() => seen.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(new Set(seen).size, 2, "each once");
});

test("what waited for its turn under the old rate is sent by the new endpoint, with the new secret, at once", async (t) => {
  const app = await openReceiver();
  const slow = { ratePerSecond: 0.01, timeout: "30s" } as const;
  const relay = await startRelay({ endpoints: [endpointTo(app.url, slow)] });
  t.after(() => Promise.all([relay.close(), app.close()]));
  for (const id of ["a", "b", "c", "d"]) {
    await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, remove(id));
  }
  await waitFor(() => app.requests.length === 1);
  await relay.reload({ endpoints: [endpointTo(app.url, { secret: OTHER_SECRET })] });
  await waitFor(() => app.requests.length === 4);
  assert.deepEqual(
    app.requests.map((request) => isSignedBy(OTHER_SECRET, request)),
    [false, true, true, true],
  );
});

test("what waits for its turn at an endpoint that is taken away can be canceled, all of it", async (t) => {
  const app = await openReceiver();
  const relay = await startRelay({ endpoints: [endpointTo(app.url, { ratePerSecond: 0.01, timeout: "30s" })] });
  const store = await openStore(relay.config, realPorts(), { role: "operator" });
  t.after(async () => {
    await store.close();
    await Promise.all([relay.close(), app.close()]);
  });
  for (const id of ["a", "b", "c"]) {
    await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, remove(id));
  }
  await waitFor(() => app.requests.length === 1);
  const states = async () => (await store.deliveries({ limit: 9 })).map(({ state }) => state).join();
  await waitFor(async () => (await states()) === "pending,pending,delivered");
  await relay.reload({ endpoints: [] });
  // The relay works it: it has no such endpoint any longer.
  const id = await makeTask(store, { verb: "cancel", filter: { endpoint: "app" } }, Date.now());
  assert.equal((await waitFor(async () => (await store.task(id)).endedAt !== null && store.task(id))).done, 2);
  assert.equal(await states(), "canceled,canceled,delivered");
});

test("attempts that hang keep to the endpoint's concurrency, however often it is changed", async (t) => {
  let open = 0;
  let most = 0;
  const sockets = new Set<Socket>();
  const hanging = createServer((request) => {
    most = Math.max(most, ++open);
    sockets.add(request.socket.on("close", () => open--));
  });
  const { url, close } = await listen(null, hanging);
  const endpoint = (laneHold: string) => endpointTo(url, { concurrency: 2, timeout: "5m", laneHold });
  const relay = await startRelay({ endpoints: [endpoint("1h")] });
  t.after(async () => {
    await relay.close();
    await close();
  });
  for (let n = 0; n < 12; n++) await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, remove(`v${n}`));
  await waitFor(() => open === 2);
  for (let n = 2; n < 7; n++) {
    await relay.reload({ endpoints: [endpoint(`${n}h`)] });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(most, 2);
  hanging.removeAllListeners("request");
  const answered: string[] = [];
  hanging.on("request", (request, response) => {
    answered.push(String(request.headers["webhook-id"]));
    response.end();
  });
  for (const socket of sockets) socket.destroy();
  await waitFor(() => new Set(answered).size === 12);
});

test("a config that comes while the relay stops is not taken", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  const stopped = relay.stop();
  await assert.rejects(relay.reload({ endpoints: [] }), { message: /the relay is stopping/ });
  await stopped;
});

test("who may send, the token, the size and what is kept change with the next request", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  const post = (path = "/webhooks/wochit", id = "a") => send(relay.port, { method: "POST", path }, remove(id));
  assert.equal((await post()).status, 200);
  await relay.reload({ receive: { allowFrom: ["192.0.2.1"] } });
  assert.equal((await post()).status, 403);
  await relay.reload({ receive: { allowFrom: ["127.0.0.1"], token: "sesame" } });
  assert.deepEqual([(await post()).status, (await post("/webhooks/wochit/sesame", "b")).status], [403, 200]);
  await relay.reload({ receive: { allowFrom: ["127.0.0.1"], maxBody: 10 } });
  assert.equal((await post()).status, 413);
  await relay.reload({ receive: { allowFrom: ["127.0.0.1"], path: "/elsewhere" } });
  assert.deepEqual([(await post()).status, (await post("/elsewhere", "c")).status], [404, 200]);
});

test("a download under way goes on, from where it was, under the new settings of the mirror", () =>
  withStage({}, async ({ provider, send, delivery, relay }) => {
    const bytes = 4_000_000;
    const video = provider.addVideo("v1", { bytes });
    video.setFault({ name: "slow", bytesPerSecond: 50_000, times: 1 });
    const { id } = await send("video.ready", { videoId: "v1", videoUrl: video.link(), thumbnailUrl: "" });
    await waitFor(() => video.counts.bytes > 100_000);
    const { mirror } = await relay.reload({ mirror: { concurrency: 1, maxSize: "1GiB" } }).then(() => relay.config);
    assert.equal(mirror.concurrency, 1);
    const reloaded = performance.now();
    assert.equal((await delivery(id)).json.relay.media.video.status, "mirrored");
    assert.ok(performance.now() - reloaded < 18_000, "its lease was given back");
    assert.ok(video.counts.bytes < bytes * 1.5, "what was there was not fetched again");
  }));

test("where a part cannot be opened nothing is taken, and the former ones work on; the next config is taken", () =>
  withStage({}, async ({ provider, send, delivery, relay }) => {
    const isMirrored = async (videoId: string) => {
      const { id } = await send("video.ready", {
        videoId,
        videoUrl: provider.addVideo(videoId).link(),
        thumbnailUrl: "",
      });
      assert.equal((await delivery(id)).json.relay.media.video.status, "mirrored");
    };
    const wrong: ((config: Config) => void)[] = [
      ({ mirror }) => {
        mirror.allowPrivateAddresses = ["no host!"];
      },
      // The mirror is opened, and the routes are not.
      ({ mirror, server }) => {
        mirror.concurrency = 1;
        server.trustedProxies = ["no network"];
      },
    ];
    for (const [nth, change] of wrong.entries()) {
      const refused = relay.reload({ receive: { allowFrom: ["192.0.2.1"] } }, change);
      await assert.rejects(refused);
      await isMirrored(`after-${nth}`);
    }
    // What fails after it was taken leaves the new parts at work.
    const failing = relay.reload({ receive: { allowFrom: ["127.0.0.1"] } }, ({ mirror, endpoints }) => {
      mirror.concurrency = 1;
      endpoints.push({ ...endpoints[0]!, id: "broken", url: "no address" });
    });
    await assert.rejects(failing);
    await isMirrored("after-failing");
    await relay.reload({ receive: { allowFrom: ["127.0.0.1"] }, mirror: { concurrency: 2 } });
    await isMirrored("last");
  }));

test("with mirroring switched off and on again, what waited is told, then copied with what came, and the app is told that, too", () =>
  withStage({}, async ({ provider, send, delivery, relay, app }) => {
    const video = provider.addVideo("v1");
    video.setFault({ name: "never" });
    const first = await send("video.ready", { videoId: "v1", videoUrl: video.link(), thumbnailUrl: "" });
    await waitFor(() => video.counts.requests > 0);
    await relay.reload({ mirror: { enabled: false } });
    assert.equal((await delivery(first.id)).json.relay.media.video.status, "skipped");
    const link = provider.addVideo("v2").link();
    const second = await send("video.ready", { videoId: "v2", videoUrl: link, thumbnailUrl: "" });
    assert.equal((await delivery(second.id)).json.relay.media.video.status, "skipped");
    video.setFault(null);
    await relay.reload({ mirror: { enabled: true } });
    for (const { id } of [first, second]) {
      const isMeant = ({ json }: Received) =>
        json.type === "relay.media.mirrored" && json.relay.aboutEventId === id && json.relay.media.video.url;
      const { json } = await waitFor(() => app.requests.find(isMeant));
      assert.equal((await fetch(json.relay.media.video.url)).status, 200);
    }
  }));

test("links follow publicUrl and publicBaseUrl from the reload on, without a stop of the downloads", () =>
  withStage({}, async ({ provider, send, delivery, relay }) => {
    const video = provider.addVideo("v1");
    await relay.reload({ mirror: { publicBaseUrl: "https://cdn.example.com/media" } });
    const { id } = await send("video.ready", { videoId: "v1", videoUrl: video.link(), thumbnailUrl: "" });
    assert.match((await delivery(id)).json.videoUrl, /^https:\/\/cdn\.example\.com\/media\/v1\/video\.mp4$/);
  }));

test("a certificate that cannot be used refuses the whole config", async (t) => {
  const tls = { cert: resolve("test/fixtures/tls/cert.pem"), key: resolve("test/fixtures/tls/key.pem") };
  const relay = await startRelay({ server: { tls } });
  t.after(() => relay.close());
  const broken = { server: { tls: { cert: tls.cert, key: tls.cert } }, receive: { allowFrom: ["192.0.2.1"] } };
  await assert.rejects(relay.reload(broken), { code: "config", message: /server\.tls/ });
  assert.equal(await postOverTls(relay.port), 200, "the old config holds");
});

test("what a running relay cannot change is named, and keeps its old value", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  const { needsRestart, changed } = await relay.reload({
    dataDir: "elsewhere",
    server: { listen: "127.0.0.1:1" },
    log: { format: "pretty" },
  });
  assert.deepEqual(needsRestart, ["dataDir", "server.listen", "log.format"]);
  assert.deepEqual(changed, [], "the folder of the copies stays in the data folder that holds");
  assert.equal((await send(relay.port, { method: "GET", path: "/healthz" }, "")).status, 200);
});
