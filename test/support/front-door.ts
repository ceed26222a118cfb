import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import type { TestContext } from "node:test";
import { Hono } from "hono";
import type { ConfigInput } from "../../src/config/schema.ts";
import { type ListenOptions, listen } from "../../src/platform/http/server.ts";
import { systemClock } from "../../src/platform/runtime.ts";
import { openReceive } from "../../src/receive/route.ts";
import { openDoor } from "../../src/relay/public-app.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { testMetrics } from "./metrics.ts";
import { testPorts } from "./ports.ts";

export type Answer = {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  json: ReturnType<typeof JSON.parse>;
};

/** The public listener with a real store behind it, and nothing else: no media, no downloads, no deliveries. */
export async function openFrontDoor(t: TestContext, input: ConfigInput = {}, limits: ListenOptions = {}) {
  const config = configIn(tempFolder(t), { ...input, receive: { allowFrom: ["127.0.0.1"], ...input.receive } });
  const ports = { ...testPorts(systemClock()), metrics: testMetrics() };
  const store = await openStore(config, ports, { role: "relay" });
  const receive = openReceive({ store, config, ports });
  const media = () => new Response(null, { status: 404 });
  const health = new Hono().get("/healthz", (c) => c.text("ok"));
  const { app, gate } = openDoor({ receive, media, health }, ports.log);
  const { tls } = config.server;
  const at = { host: "127.0.0.1", port: 0, tls };
  const listener = await listen(app, at, ports.clock, { gate, log: ports.log, ...limits });
  t.after(async () => {
    await listener.close(100);
    await store.close();
  });
  const path = config.receive.path;
  return {
    store,
    config,
    ports,
    port: listener.port,
    post: (
      body: string | Uint8Array,
      more: { path?: string; headers?: Record<string, string | string[]>; method?: string } = {},
    ) => send(listener.port, { method: "POST", path, ...more }, body),
    /** Writes bytes to the listener as they are, and reads whatever comes back until the connection ends. */
    raw: (bytes: string | Uint8Array, options: { end?: boolean } = {}) => sendRaw(listener.port, bytes, options),
  };
}

export function send(
  port: number,
  options: { method: string; path: string; headers?: Record<string, string | string[]> },
  body: string | Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = text !== "" && response.headers["content-type"]?.startsWith("application/json");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson ? JSON.parse(text) : null,
        });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

export function sendRaw(port: number, bytes: string | Uint8Array, { end = false } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(bytes);
    if (end) socket.end();
  });
}
