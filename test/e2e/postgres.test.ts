import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { tempFolder } from "../support/folder.ts";
import { noPostgres, testDatabase } from "../support/postgres.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver, type Received } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { jsonLines, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const skip = noPostgres;

/** A database and an app of a test's own; relays are opened on it, each with a data folder. */
async function setUp(t: TestContext) {
  const { url, server, name } = await testDatabase(t);
  const app = await openReceiver();
  t.after(app.close);
  const ports = realPorts();
  const input = { store: { url }, mirror: { enabled: false }, endpoints: [endpointTo(app.url)] } satisfies ConfigInput;
  let started = 0;
  return {
    ...{ app, url, server, name },
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
  const { start, post, url, arrived, server, name } = await setUp(t);
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
  // The relay remembers it by the time that the command has ended.
  assert.equal((await run("alerts", "silence", "NoEvents", "--for", "1h")).code, 0);
  assert.deepEqual(await server.ask("SELECT heard FROM handed_over", name), [["1"]]);
});

test("status, API, metrics and doctor name the relays; what is of SQLite only is refused in one line", {
  skip,
}, async (t) => {
  const { start, post, url, arrived } = await setUp(t);
  const config = join(tempFolder(t), "config.json");
  writeFileSync(config, JSON.stringify({ store: { url: { env: "DATABASE_URL" } }, mirror: { enabled: false } }));
  const run = (...line: string[]) => runCli([...line, "--config", config], { env: { DATABASE_URL: url } });
  const admin = { listen: "127.0.0.1:0", token: "a-token-of-more-than-32-characters" };
  const [one, other] = [await start({ admin }), await start({ admin, receive: { dedupeWindow: "5m" } })];
  await arrived(await post(one.webhooks, "v1"));

  const [status, doctor] = [await run("status", "--json"), await run("doctor", "--json")];
  const { relays, relay } = JSON.parse(status.stdout);
  assert.equal(relay.running, true);
  assert.deepEqual(
    relays.map(({ live, configDiffers }: { live: boolean; configDiffers: boolean }) => [live, configDiffers]),
    [
      [true, true],
      [true, false],
    ],
    "of two configs that of the relay that started last counts",
  );
  const shown = (await run("status")).stdout;
  assert.equal(shown.match(/version \S+, seen /g)?.length, 2);
  assert.match(shown, /database +\S+ \S+, on PostgreSQL/);
  const found = jsonLines(doctor.stdout).filter(({ probe }) => /^(database|relays|backup)/.test(probe));
  const states = Object.fromEntries(found.map(({ probe, state }) => [probe, state]));
  for (const what of ["version", "schema", "way", "clock", "transactions", "connections"]) {
    assert.equal(states[`database.${what}`], "ok", JSON.stringify(found));
  }
  assert.equal(states["database.replication"], "warning");
  assert.ok(!("backup" in states));

  for (const line of [
    ["backup", "/tmp/x.db"],
    ["restore", "/tmp/x.db"],
    ["prune", "--compact"],
  ]) {
    const { code, stderr } = await run(...line);
    assert.equal(code, 1);
    assert.match(stderr, /^wochit-relay: the store is on PostgreSQL \(store\.url\): [^\n]+\n$/);
  }

  const address = other.ports.log.facts.find(({ fact }) => fact === "admin listening")!.fields!.url;
  const ask = (path: string) => fetch(`${address}${path}`, { headers: { authorization: `Bearer ${admin.token}` } });
  const api = (await (await ask("/api/v1/status")).json()) as { relays: { host: string; version: string }[] };
  assert.deepEqual(
    api.relays.map(({ host, version }) => ({ host, version })),
    relays.map(({ host, version }: { host: string; version: string }) => ({ host, version })),
  );
  const metrics = await (await ask("/metrics")).text();
  assert.match(metrics, /^wochit_relay_relays\{state="live"\} 2$/m);
  assert.match(metrics, /^wochit_relay_relays\{state="silent"\} 0$/m);
  assert.match(metrics, /^wochit_relay_relay_configs 2$/m);
});

test("relays whose configs name no admin token have one between them, also one that had its own before", {
  skip,
}, async (t) => {
  const { start } = await setUp(t);
  const admin = { listen: "127.0.0.1:0" };
  const relays = [await start({ admin }), await start({ admin })];
  const tokens = relays.map(({ config }) => readFileSync(join(config.dataDir, "admin-token"), "utf8").trim());
  assert.equal(tokens[0], tokens[1]);
  for (const { ports } of relays) {
    const { url } = ports.log.facts.find(({ fact }) => fact === "admin listening")!.fields!;
    const { status } = await fetch(`${url}/api/v1/status`, { headers: { authorization: `Bearer ${tokens[0]}` } });
    assert.equal(status, 200);
  }
  const { dataDir } = relays[1]!.config;
  await relays[1]!.stop();
  writeFileSync(join(dataDir, "admin-token"), "another-token-that-was-made-before", { mode: 0o600 });
  await relays[1]!.restart();
  assert.equal(readFileSync(join(dataDir, "admin-token"), "utf8").trim(), tokens[0]);
});
