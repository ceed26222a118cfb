import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { tempFolder } from "../support/folder.ts";
import { send } from "../support/front-door.ts";
import { listen } from "../support/listen.ts";
import { png } from "../support/media-bytes.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { callJson } from "../support/spawn.ts";
import { AUTHORITY, pemFiles } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

const event = (videoId: string, more: object = {}) =>
  JSON.stringify({ type: "draft.new", wochitVideoId: videoId, ...more });

/** A server with a certificate of an authority that is not in any store, and who came to it. */
async function openServer(t: TestContext, body?: Uint8Array) {
  const { cert, key } = pemFiles("good");
  const seen: { path: string; client: string | undefined }[] = [];
  const options = { cert: readFileSync(cert), key: readFileSync(key), requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate() ?? {};
    seen.push({ path: request.url ?? "", client: subject?.CN as string | undefined });
    request.resume();
    // Each attempt shakes hands anew.
    response.writeHead(200, { connection: "close" }).end(body);
  });
  return { url: `https://localhost:${(await listen(t, server)).port}`, seen };
}

test("an endpoint of an unknown authority is refused in words that help, and trusted with tls.ca", async (t) => {
  const app = await openServer(t);
  const relay = await startRelay({ endpoints: [endpointTo(app.url, { retry: ["1h"] })] });
  t.after(() => relay.close());
  const post = (id: string) => send(relay.port, { method: "POST", path: "/webhooks/wochit" }, event(id));
  await post("a");
  const failed = await waitFor(() => relay.ports.log.facts.find(({ fact }) => fact === "delivery failed"));
  assert.match(
    String(failed.fields.error),
    /^the certificate is not trusted \(\w+\): install its authority in this machine's certificate store and restart the relay, or name its file in this endpoint's tls\.ca$/,
  );
  copyFileSync(AUTHORITY, join(relay.dir, "ca.pem"));
  const { changed } = await relay.reload({ endpoints: [endpointTo(app.url, { tls: { ca: "ca.pem" } })] });
  assert.deepEqual(changed, ["endpoints"]);
  await post("b");
  await waitFor(() => app.seen.length === 1);
  assert.equal(app.seen[0]?.client, undefined);
});

test("a client certificate is shown; other bytes in its files are a change, wrong ones refuse the config", async (t) => {
  const app = await openServer(t);
  const relay = await startRelay();
  t.after(() => relay.close());
  const post = (id: string) => send(relay.port, { method: "POST", path: "/webhooks/wochit" }, event(id));
  const put = (pem: "good" | "other") => {
    copyFileSync(pemFiles(pem).cert, join(relay.dir, "client.pem"));
    copyFileSync(pemFiles(pem).key, join(relay.dir, "client-key.pem"));
  };
  put("good");
  copyFileSync(AUTHORITY, join(relay.dir, "ca.pem"));
  const tls = { ca: "ca.pem", cert: "client.pem", key: "client-key.pem" };
  const endpoints = [endpointTo(app.url, { tls })];
  await relay.reload({ endpoints });
  await post("a");
  await waitFor(() => app.seen.length === 1);
  assert.equal(app.seen[0]?.client, "localhost");

  put("other");
  assert.deepEqual((await relay.reload({ endpoints })).changed, ["endpoints"]);
  await post("b");
  await waitFor(() => app.seen.length === 2);
  assert.equal(app.seen[1]?.client, "other.test");
  assert.deepEqual((await relay.reload({ endpoints })).changed, []);

  copyFileSync(pemFiles("good").cert, join(relay.dir, "client.pem"));
  await assert.rejects(relay.reload({ endpoints }), /endpoints\[0\]\.tls\.cert: .*client-key\.pem is not the key of/);
  await post("c");
  await waitFor(() => app.seen.length === 3);
  assert.equal(app.seen[2]?.client, "other.test", "the old config holds");
});

test("the system's certificate store is trusted for endpoints, media and buckets alike", async (t) => {
  const [app, media, bucket] = [await openServer(t), await openServer(t, png()), await openServer(t)];
  const dir = tempFolder(t);
  mkdirSync(join(dir, "empty"));
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  const keys = { accessKeyId: "key", secretAccessKey: "secret" };
  writeFileSync(
    configPath,
    JSON.stringify({
      dataDir: "data",
      server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      mirror: { allowPrivateAddresses: true, target: { type: "s3", bucket: "media", endpoint: bucket.url, ...keys } },
      endpoints: [endpointTo(app.url, { send: "immediately" })],
    }),
  );
  // As OpenSSL reads it: SSL_CTX_set_default_verify_paths(3).
  const env = { SSL_CERT_FILE: AUTHORITY, SSL_CERT_DIR: join(dir, "empty"), NODE_EXTRA_CA_CERTS: "" };
  const relay = spawnServe({ configPath, port, env });
  t.after(() => relay.kill());
  await relay.ready();
  await send(port, { method: "POST", path: "/webhooks/wochit" }, event("v1", { thumbnailUrl: `${media.url}/a.png` }));
  for (const [name, { seen }] of Object.entries({ app, media, bucket })) {
    await waitFor(() => seen.length > 0).catch(() => assert.fail(`nothing came to the ${name}`));
  }
  const [delivery] = await waitFor(async () => {
    const rows = await callJson(["deliveries", "list", "--config", configPath]);
    return rows[0]?.state === "delivered" ? rows : null;
  });
  assert.equal(delivery.attempts, 1);
  assert.equal((await relay.stop()).code, 0);
});
