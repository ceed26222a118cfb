import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { makeEvent } from "../../src/simulator/events.ts";
import { databaseOf } from "../../src/store/backup.ts";
import { LOCK } from "../../src/store/postgres/schema/locks.ts";
import { tempFolder } from "../support/folder.ts";
import { noPostgres, testDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

/** A relay as a process of its own, and what posts to it. */
async function openRelay(t: TestContext, env: Record<string, string> = {}) {
  const port = await lastingPort();
  const dir = tempFolder(t);
  const configPath = join(dir, "config.json");
  const config = {
    dataDir: join(dir, "data"),
    server: { listen: `127.0.0.1:${port}` },
    admin: null,
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    ...("DATABASE_URL" in env && { store: { url: { env: "DATABASE_URL" } } }),
  };
  writeFileSync(configPath, JSON.stringify(config));
  const relay = spawnServe({ configPath, port, env });
  t.after(() => relay.kill());
  await relay.ready();
  /** Resolves once it was sent. */
  async function post(videoId: string) {
    const { body } = makeEvent("video.ready", { random: seededRandom(videoId), videoId });
    const asked = request({ host: "127.0.0.1", port, path: "/webhooks/wochit", method: "POST", agent: false });
    const answered = once(asked, "response").then(async ([response]: IncomingMessage[]) => {
      const text = Buffer.concat(await response!.toArray()).toString();
      return [response!.statusCode, response!.headers["retry-after"], JSON.parse(text).error.message];
    });
    answered.catch(() => {});
    asked.end(body);
    await once(asked, "finish");
    return { answered };
  }
  const isUp = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
  return { relay, post, isUp, dataDir: config.dataDir };
}

/** What waits for a commit that does not come is answered before the process ends. */
async function stopWhileHeld({ relay, post }: Awaited<ReturnType<typeof openRelay>>, wait: () => Promise<unknown>) {
  const sent = await Promise.all(["v1", "v2", "v3"].map(post));
  await wait();
  const [ending, ...answers] = await Promise.all([relay.stop(), ...sent.map(({ answered }) => answered)]);
  assert.deepEqual([ending.code, ending.signal], [0, null]);
  for (const answer of answers) assert.deepEqual(answer, [503, "5", "the relay is stopping; send it again"]);
}

test("a stop answers requests that wait for a database that another program holds", async (t) => {
  const open = await openRelay(t);
  const db = new Database(databaseOf(open.dataDir));
  t.after(() => db.close());
  db.exec("BEGIN IMMEDIATE");
  // What came before this request was taken in with it.
  await stopWhileHeld(open, open.isUp);
});

test("a stop answers requests that wait for a lock of PostgreSQL", { skip: noPostgres }, async (t) => {
  const { url, server, name } = await testDatabase(t);
  const open = await openRelay(t, { DATABASE_URL: url });
  const mine = "pid <> pg_backend_pid() AND query LIKE '%pg_sleep(600)%' AND datname = current_database()";
  const holding = server.ask(`SELECT pg_advisory_lock(${LOCK.all}, 0), pg_sleep(600)`, name).catch(() => {});
  t.after(async () => {
    await server.ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${mine}`, name);
    await holding;
  });
  const has = (what: string) => async () =>
    (await server.ask(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND ${what}`, name)).length > 0;
  await waitFor(has(`granted AND mode = 'ExclusiveLock' AND classid = ${LOCK.all}`));
  await stopWhileHeld(open, () => waitFor(has(`NOT granted AND mode = 'ShareLock' AND classid = ${LOCK.all}`)));
});
