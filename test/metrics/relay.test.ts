import assert from "node:assert/strict";
import { test } from "node:test";
import { PREFIX } from "../../src/metrics/table.ts";
import { READER, startAdmin } from "../support/admin.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { readSamples } from "../support/metrics.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("GET /metrics of a relay counts what came in and what went out, to a token that may read", async (t) => {
  const app = await openReceiver(({ json }) => (json.wochitVideoId === "bad" ? 422 : 200));
  t.after(() => app.close());
  const admin = await startAdmin(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { id: "cms", retry: [] })],
  });
  const scrape = async (token: string | null = READER) => admin.ask("GET", "/metrics", { token });
  assert.equal((await scrape(null)).status, 401);
  await admin.event({ wochitVideoId: "v1" });
  await admin.event({ wochitVideoId: "bad" });
  await waitFor(() => admin.relay.ports.log.facts.some(({ fact }) => fact === "delivery dead"));
  await waitFor(() => admin.relay.ports.log.facts.some(({ fact }) => fact === "delivered"));
  const { status, headers, text } = await scrape();
  assert.equal(status, 200);
  assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  const value = (name: string) => readSamples(text).get(PREFIX + name);
  assert.equal(value('received_total{type="video.ready",outcome="accepted"}'), 2);
  assert.equal(value('attempts_total{endpoint="cms",outcome="2xx"}'), 1);
  assert.equal(value('attempts_total{endpoint="cms",outcome="4xx"}'), 1);
  assert.equal(value('attempt_seconds_count{endpoint="cms"}'), 2);
  assert.equal(value('deliveries_settled_total{endpoint="cms",state="delivered"}'), 1);
  assert.equal(value('deliveries_settled_total{endpoint="cms",state="dead"}'), 1);
  assert.equal(value("store_usable"), 1);
  assert.equal(value("target_usable"), 1);
  assert.equal(value('endpoint_breaker{endpoint="cms"}'), 0);
  assert.ok(value("commit_seconds_count")! > 2);
});

test("a reload brings the endpoints of the config, and takes those that have left it", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const of = (id: string) => endpointTo(app.url, { id });
  const admin = await startAdmin(t, { mirror: { enabled: false }, endpoints: [of("old"), of("both")] });
  const named = async () => {
    const { text } = await admin.ask("GET", "/metrics");
    const endpoints = [...text.matchAll(/endpoint_paused\{endpoint="(\w+)"\}/g)].map(([, id]) => id);
    const counted = [...text.matchAll(/attempts_total\{endpoint="(\w+)",outcome="2xx"\}/g)].map(([, id]) => id);
    return [endpoints.sort(), counted.sort()];
  };
  assert.deepEqual(await named(), [
    ["both", "old"],
    ["both", "old"],
  ]);
  await admin.relay.reload({ endpoints: [of("both"), of("new")] });
  assert.deepEqual(await named(), [
    ["both", "new"],
    ["both", "new"],
  ]);
});

test("a relay that cannot open its database is scraped all the same, and says so until it can", async (t) => {
  const admin = await startAdmin(t, { mirror: { enabled: false }, endpoints: [] });
  await admin.relay.stop();
  const holder = await holdDatabase(t, admin.relay.config.dataDir, 600_000);
  await admin.relay.restart();
  await admin.listening(2);
  const value = async (name: string) => readSamples((await admin.ask("GET", "/metrics")).text).get(PREFIX + name);
  await admin.event({ wochitVideoId: "v1" });
  assert.equal(await value("store_usable"), 0);
  assert.equal(await value('received_total{type="other",outcome="unavailable"}'), 1);
  assert.equal(await value("last_event_timestamp_seconds"), undefined);
  holder.kill("SIGKILL");
  await waitFor(async () => (await value("store_usable")) === 1);
  assert.equal(await value('received_total{type="other",outcome="unavailable"}'), 1);
});
