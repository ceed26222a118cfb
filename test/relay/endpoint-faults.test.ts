import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openOutbound } from "../../src/platform/net/outbound.ts";
import type { Resolve } from "../../src/platform/net/resolver.ts";
import { createAccept } from "../../src/receive/accept.ts";
import { createEndpointWorkers } from "../../src/relay/endpoints.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn, endpoint } from "../support/config.ts";
import { fastClock } from "../support/fast-clock.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";
import { lastingPort } from "../support/serve-process.ts";
import { AUTHORITY, type Pem, pemFiles } from "../support/tls-server.ts";
import { waitFor } from "../support/wait.ts";

// Faults of names and certificates over real sockets; the other troubles, in simulated time, are in test/e2e.

/** Events of so many videos, two each. */
const VIDEOS = 12;

/** Five seconds to the first probe are half of one. */
const TIMES = 10;

type Setting = { url: string; tls?: object; resolve?: Resolve; prepare?: (dir: string) => void };

/** A store and the workers of one endpoint, over real sockets, that have failed until its breaker opened. */
async function openFailing(t: TestContext, { url, tls, resolve, prepare }: Setting) {
  const dir = tempFolder(t);
  prepare?.(dir);
  const ports = { ...realPorts(), clock: fastClock(TIMES) };
  const config = configIn(dir, {
    mirror: { enabled: false },
    endpoints: [endpoint("app", { url, tls: tls ?? null, timeout: "5m" })],
  });
  const store = await openStore(config, ports, { role: "relay" });
  const workers = createEndpointWorkers({
    store,
    ports,
    link: () => null as never,
    userAgent: "test",
    connectTimeout: 300_000,
    open: (options) => openOutbound({ ...options, ...(resolve && { resolve }) }),
  });
  t.after(async () => {
    await workers.stop(1_000);
    await store.close();
  });
  workers.apply(config.endpoints);
  const accept = createAccept({ store });
  for (let event = 0; event < 2 * VIDEOS; event++) {
    const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${event % VIDEOS}`, event });
    await accept(Buffer.from(body), "192.0.2.1", ports.clock.now());
  }
  workers.wake();
  const failing = await waitFor(() => ports.log.facts.find(({ fact }) => fact.startsWith("endpoint failing")));
  return {
    error: String(failing.fields.error),
    /** All have arrived, in order; none is dead. */
    async recovers(arrived: { videoId: string; sequence: number }[]): Promise<void> {
      await waitFor(async () => (await store.deliveries({ limit: 99, state: "delivered" })).length === 2 * VIDEOS);
      for (let video = 0; video < VIDEOS; video++) {
        const mine = arrived.filter(({ videoId }) => videoId === `v${video}`).map(({ sequence }) => sequence);
        assert.deepEqual(mine, [1, 2]);
      }
      assert.ok(ports.log.facts.some(({ fact }) => fact.startsWith("endpoint recovered")));
    },
  };
}

/** Notes the video and the number of what arrives. */
function noting(arrived: { videoId: string; sequence: number }[]): RequestListener {
  return async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { wochitVideoId: videoId, relay } = JSON.parse(Buffer.concat(chunks).toString());
    arrived.push({ videoId, sequence: relay.sequence });
    response.end();
  };
}

const pem = (name: Pem) => {
  const { cert, key } = pemFiles(name);
  return { cert: readFileSync(cert), key: readFileSync(key) };
};

test("an app whose certificate has expired gets all of it, in order, once it has a new one", async (t) => {
  const arrived: { videoId: string; sequence: number }[] = [];
  const open = async (name: Pem, port = 0) => {
    const server = createServer(pem(name), noting(arrived));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return server;
  };
  let server = await open("expired", await lastingPort());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { error, recovers } = await openFailing(t, {
    url: `https://localhost:${port}/hook`,
    tls: { ca: "ca.pem" },
    prepare: (dir) => copyFileSync(AUTHORITY, join(dir, "ca.pem")),
  });
  // Deno does not say that this is why it is not trusted.
  assert.match(error, "Deno" in globalThis ? /certificate is not trusted|expired/ : /CERT_HAS_EXPIRED/);
  assert.equal(arrived.length, 0);
  await new Promise((resolve) => server.close(resolve));
  server = await open("good", port);
  await recovers(arrived);
});

test("an app whose name is gone gets all of it, in order, once the name is there again", async (t) => {
  const arrived: { videoId: string; sequence: number }[] = [];
  const server = createHttpServer(noting(arrived));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  let isThere = false;
  const { error, recovers } = await openFailing(t, {
    url: `http://app.internal:${port}/hook`,
    async resolve(name) {
      if (isThere) return [{ address: "127.0.0.1", family: 4 }];
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" });
    },
  });
  assert.match(error, /ENOTFOUND/);
  isThere = true;
  await recovers(arrived);
});
