import { Hono } from "hono";
import { listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { readSettings, reportReady } from "../child.ts";

/** The limit of the HTTP stack alone: reads the body and answers 200. */

const { port = 0 } = readSettings<{ port?: number }>();
const app = new Hono();
app.get("/healthz", (c) => c.body(null, 200));
app.post("/webhooks/wochit", async (c) => {
  await c.req.arrayBuffer();
  return c.body(null, 200);
});

const listener = await listen(app, { host: "127.0.0.1", port, tls: null }, systemClock());
reportReady({
  ready: { url: `http://127.0.0.1:${listener.port}/webhooks/wochit` },
  close: () => listener.close(1_000),
});
