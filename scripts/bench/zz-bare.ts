import { Hono } from "hono";
import { systemClock } from "../../src/platform/runtime.ts";
import { listen } from "../../src/platform/server.ts";
import { reportReady } from "./child.ts";

/** The limit of the HTTP stack alone: reads the body and answers 200. */

const app = new Hono();
app.post("/webhooks/wochit", async (c) => {
  await c.req.arrayBuffer();
  return c.json({ id: 1, status: "accepted" });
});

const listener = await listen(app, { host: "127.0.0.1", port: 0, tls: null }, systemClock());
reportReady({
  ready: { url: `http://127.0.0.1:${listener.port}/webhooks/wochit` },
  close: () => listener.close(1_000),
});
