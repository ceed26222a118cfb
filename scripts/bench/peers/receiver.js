import { randomUUID } from "node:crypto";
import { once } from "node:events";
import express from "express";

/**
 * What every rig receives by: Express, which reads the body, parses it, and answers 200 once `store` has resolved. Returns
 * the address of the route.
 */
export async function receive(store) {
  const app = express();
  app.post("/webhooks/wochit", express.raw({ type: "*/*", limit: "1mb" }), async (request, response) => {
    const body = request.body.toString();
    JSON.parse(body);
    const id = `evt_${randomUUID()}`;
    await store({ id, body });
    response.json({ id, status: "accepted" });
  });
  app.use((error, _request, response, _next) => {
    console.error(error.message);
    response.status(503).json({ error: error.message });
  });
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}/webhooks/wochit`;
}
