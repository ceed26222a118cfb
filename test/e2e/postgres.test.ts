import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { tempFolder } from "../support/folder.ts";
import { noPostgres, testDatabase } from "../support/postgres.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Received } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const skip = noPostgres;

/** A database and an app of a test's own; relays are opened on it, each with a data folder. */
async function setUp(t: TestContext) {
  const { url } = await testDatabase(t);
  const app = await openReceiver();
  t.after(app.close);
  const ports = realPorts();
  const input = { store: { url }, mirror: { enabled: false }, endpoints: [endpointTo(app.url)] } satisfies ConfigInput;
  let started = 0;
  return {
    app,
    url,
    async start(overrides: ConfigInput = {}) {
      const relay = await startRelay({ ...input, ...overrides }, realPorts(`relay ${++started}`));
      t.after(relay.close);
      return relay;
    },
    /** Posts an event, and gives its id. */
    async post(webhooks: string, videoId: string): Promise<string> {
      const { body } = makeEvent("video.ready", { random: ports.random, videoId });
      const answer = await fetch(webhooks, { method: "POST", body });
      assert.equal(answer.status, 200);
      return ((await answer.json()) as { id: string }).id;
    },
    arrived: (id: string) => waitFor(() => app.requests.find((one) => idOf(one) === id)),
  };
}

const idOf = ({ headers }: Received) => String(headers["webhook-id"]);

test("a relay takes events into PostgreSQL and delivers them, and goes on after a restart", { skip }, async (t) => {
  const { app, start, post, arrived } = await setUp(t);
  const relay = await start();
  await arrived(await post(relay.webhooks, "v1"));
  app.answer(503);
  const waiting = await post(relay.webhooks, "v1");
  await arrived(waiting);
  await relay.restart();
  const before = app.requests.length;
  app.answer(200);
  await waitFor(() => app.requests.slice(before).some((one) => idOf(one) === waiting));
  const later = await arrived(await post(relay.webhooks, "v1"));
  assert.equal(later.json.relay.sequence, 3);
});

test("two relays on one database send each event once, in the order of its video", { skip }, async (t) => {
  const { app, start, post } = await setUp(t);
  const [one, other] = [await start(), await start()];
  const posted: string[] = [];
  for (let n = 0; n < 40; n++) posted.push(await post((n % 2 === 0 ? one : other).webhooks, `v${n % 4}`));
  await waitFor(() => app.requests.length >= posted.length);
  assert.deepEqual(app.requests.map(idOf).sort(), posted.sort());
  for (const video of ["v0", "v1", "v2", "v3"]) {
    const sent = app.requests.filter(({ json }) => json.wochitVideoId === video);
    assert.deepEqual(
      sent.map(({ json }) => json.relay.sequence),
      Array.from({ length: 10 }, (_, at) => at + 1),
    );
  }
});

test("commands work beside the relays with the config alone", { skip }, async (t) => {
  const { start, post, url, arrived } = await setUp(t);
  const config = join(tempFolder(t), "config.json");
  writeFileSync(config, JSON.stringify({ store: { url: { env: "DATABASE_URL" } }, mirror: { enabled: false } }));
  const run = (...line: string[]) => runCli([...line, "--json", "--config", config], { env: { DATABASE_URL: url } });
  const early = await run("events", "list");
  assert.equal(early.code, 1);
  assert.match(early.stderr, /no relay has used the database of store\.url yet/);
  const relay = await start();
  const id = await post(relay.webhooks, "v1");
  await arrived(id);
  const listed = await run("events", "list");
  assert.equal(JSON.parse(listed.stdout).id, id);
});
