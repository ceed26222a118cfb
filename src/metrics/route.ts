import { Hono } from "hono";
import type { OpenMetrics } from "./open.ts";

/** `GET /metrics` (CONTRACT, "Admin listener"). Who may ask is judged before it. */
export function metricsRoutes(metrics: Pick<OpenMetrics, "text">): Hono {
  const app = new Hono();
  app.get("/metrics", async (c) => {
    const { type, body } = await metrics.text();
    return c.body(body, 200, { "content-type": type, "cache-control": "no-store" });
  });
  return app;
}
