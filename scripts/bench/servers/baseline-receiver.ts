import { join } from "node:path";
import Database from "better-sqlite3";
import { Hono } from "hono";
import { listen } from "../../../src/platform/http/server.ts";
import { systemClock } from "../../../src/platform/runtime.ts";
import { readSettings, reportReady } from "../child.ts";

/**
 * The least that can be called a durable receiver on this stack: the same server, which parses a body, inserts the bodies
 * of a tick in one committed transaction (WAL, FULL), and answers.
 */

const { dir } = readSettings<{ dir: string }>();
const db = new Database(join(dir, "baseline.db"));
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec("CREATE TABLE events (id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, body BLOB NOT NULL) STRICT");
const insert = db.prepare<[number, Uint8Array]>("INSERT INTO events (received_at, body) VALUES (?, ?)");

type Waiting = { body: Uint8Array; resolve: (id: number) => void; reject: (error: unknown) => void };
let waiting: Waiting[] = [];

const insertAll = db.transaction((bodies: Waiting[]) =>
  bodies.map(({ body }) => Number(insert.run(Date.now(), body).lastInsertRowid)),
);

function commit(): void {
  const batch = waiting;
  waiting = [];
  try {
    const ids = insertAll(batch);
    for (const [at, { resolve }] of batch.entries()) resolve(ids[at]!);
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}

function store(body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    if (waiting.push({ body, resolve, reject }) === 1) setImmediate(commit);
  });
}

const app = new Hono();
app.post("/webhooks/wochit", async (c) => {
  const body = Buffer.from(await c.req.arrayBuffer());
  JSON.parse(body.toString());
  return c.json({ id: await store(body), status: "accepted" });
});

const listener = await listen(app, { host: "127.0.0.1", port: 0, tls: null }, systemClock());
reportReady({
  ready: { url: `http://127.0.0.1:${listener.port}/webhooks/wochit` },
  close: async () => {
    await listener.close(1_000);
    db.close();
  },
});
