import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemRandom } from "../../src/platform/runtime.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { tempFolder } from "../support/folder.ts";
import { noPgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { noPostgres, type TestDatabase, testDatabase } from "../support/postgres.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

/** What a dead relay had under way goes on elsewhere within this, in milliseconds (a lease of 20 s, a look of 1 s). */
const WITHIN = 30_000;

/** Relays as processes of their own on one database. */
async function setUp(t: TestContext, through: (t: TestContext, to: TestDatabase) => Promise<string>) {
  const url = await through(t, await testDatabase(t));
  const app = await openReceiver();
  t.after(app.close);
  const dir = tempFolder(t);
  let posted = 0;
  return {
    app,
    async start(name: string) {
      const port = await lastingPort();
      const configPath = join(dir, `${name}.json`);
      const config = {
        dataDir: name,
        server: { listen: `127.0.0.1:${port}`, publicUrl: "http://relays.example" },
        admin: null,
        receive: { allowFrom: ["127.0.0.1"] },
        mirror: { enabled: false },
        store: { url: { env: "DATABASE_URL" } },
        endpoints: [endpointTo(app.url, { timeout: "60s" })],
      };
      writeFileSync(configPath, JSON.stringify(config));
      const relay = spawnServe({ configPath, port, env: { DATABASE_URL: url } });
      t.after(() => relay.kill());
      await relay.ready();
      const post = async (videoId: string) => {
        // Titles of its own choice may be the same twice: then it would be a repetition.
        const { body } = makeEvent("video.ready", { random: systemRandom(), videoId, title: `Event ${++posted}` });
        const answer = await fetch(`http://127.0.0.1:${port}/webhooks/wochit`, { method: "POST", body });
        assert.equal(answer.status, 200);
        return ((await answer.json()) as { id: string }).id;
      };
      return { ...relay, post };
    },
  };
}

for (const { name, skip, through } of [
  { name: "", skip: noPostgres, through: async (_: TestContext, { url }: TestDatabase) => url },
  { name: ", through PgBouncer, too", skip: noPostgres || noPgBouncer, through: startPgBouncer },
])
  test(`what a killed relay had under way goes on with another, and the next of its video after that${name}`, {
    skip,
  }, async (t) => {
    const { app, start } = await setUp(t, through);
    const [one, other] = [await start("one"), await start("other")];
    app.answer((_, nth) => (nth === 0 ? "hang" : 200));
    const first = await one.post("v1");
    await waitFor(() => app.requests.length === 1);
    await one.kill();
    const killedAt = performance.now();
    const second = await other.post("v1");
    const apart = await other.post("v2");
    const idAt = (at: number) => app.requests[at]?.headers["webhook-id"];
    await waitFor(() => idAt(1) === apart, 10_000);
    await waitFor(() => app.requests.length === 4, WITHIN);
    assert.ok(performance.now() - killedAt < WITHIN);
    assert.deepEqual([idAt(2), idAt(3)], [first, second]);
  });
