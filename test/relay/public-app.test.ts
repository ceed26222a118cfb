import assert from "node:assert/strict";
import { test } from "node:test";
import { send, sendRaw } from "../support/front-door.ts";
import { startRelay } from "../support/relay-in-folder.ts";

test("copies may be read by pages of any origin, everything else by none", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  const headers = { origin: "https://player.test", "access-control-request-method": "GET" };
  const ask = (method: string, path: string) => send(relay.port, { method, path, headers }, "");
  const preflight = await ask("OPTIONS", "/media/v/video.mp4");
  assert.deepEqual([preflight.status, preflight.headers["access-control-allow-origin"]], [204, "*"]);
  assert.equal((await ask("GET", "/media/v/video.mp4")).headers["access-control-allow-origin"], "*");
  for (const path of ["/healthz", "/readyz", "/webhooks/wochit", "/"]) {
    for (const method of ["GET", "OPTIONS"])
      assert.equal((await ask(method, path)).headers["access-control-allow-origin"], undefined, path);
  }
});

test("a health check needs no Host", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  for (const path of ["/healthz", "/readyz"]) {
    for (const head of ["HTTP/1.0", "HTTP/1.0\r\nhost:", "HTTP/1.1\r\nconnection: close", "HTTP/1.0\r\nhost: a, a"])
      assert.match(await sendRaw(relay.port, `GET ${path} ${head}\r\n\r\n`), /^HTTP\/1.1 200 /, `${path} ${head}`);
  }
});

test("another config judges the connections that are open", async (t) => {
  const relay = await startRelay({ receive: { allowFrom: ["192.0.2.1"] } });
  t.after(() => relay.close());
  const warnings = () => relay.ports.log.facts.filter(({ fact }) => fact === "request refused");
  const stray = () => send(relay.port, { method: "POST", path: "/", headers: {} }, "{}");
  assert.equal((await stray()).status, 404);
  assert.equal(warnings()[0]?.fields.quarantineId, undefined, "a stranger's");
  await relay.reload({ receive: { allowFrom: ["127.0.0.1"] } });
  assert.equal((await stray()).status, 404);
  assert.match(String(warnings()[1]?.fields.quarantineId), /^qrn_/);
});
