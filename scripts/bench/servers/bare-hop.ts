import { Hono } from "hono";
import { Agent, request } from "undici";
import { listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { readSettings, reportReady } from "../child.ts";

/** Two bare hops: takes a body on the same server, and posts it on with the same client. */

const { to } = readSettings<{ to: string }>();
const dispatcher = new Agent();
const app = new Hono();
app.post("/webhooks/wochit", async (c) => {
  const body = Buffer.from(await c.req.arrayBuffer());
  const answer = await request(to, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    dispatcher,
  });
  await answer.body.dump();
  return c.body(null, 200);
});

const listener = await listen(app, { host: "127.0.0.1", port: 0, tls: null }, systemClock());
reportReady({
  ready: { url: `http://127.0.0.1:${listener.port}/webhooks/wochit` },
  close: () => listener.close(1_000),
});
