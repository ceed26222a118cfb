import { Hono } from "hono";
import pg from "pg";
import { listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { readSettings, reportReady } from "../child.ts";

/** What most would write on PostgreSQL: each request parses its body, inserts it in a commit of its own, and answers. */

const { url, connections } = readSettings<InsertSettings>();
export type InsertSettings = { url: string; connections: number };

const pool = new pg.Pool({ connectionString: url, max: connections });
await pool.query("CREATE TABLE events (id bigserial PRIMARY KEY, received_at int8 NOT NULL, body bytea NOT NULL)");
const insert = {
  name: "insert",
  text: "INSERT INTO events (received_at, body) VALUES ($1, $2) RETURNING id",
};

const app = new Hono();
app.post("/webhooks/wochit", async (c) => {
  const body = Buffer.from(await c.req.arrayBuffer());
  JSON.parse(body.toString());
  const { rows } = await pool.query<{ id: string }>({ ...insert, values: [Date.now(), body] });
  return c.json({ id: rows[0]!.id, status: "accepted" });
});

const listener = await listen(app, { host: "127.0.0.1", port: 0, tls: null }, systemClock());
reportReady({
  ready: { url: `http://127.0.0.1:${listener.port}/webhooks/wochit` },
  close: async () => {
    await listener.close(1_000);
    await pool.end();
  },
});
