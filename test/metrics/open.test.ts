import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openMetrics } from "../../src/metrics/open.ts";
import { createReadings, type Reading } from "../../src/metrics/readings.ts";
import { metricsRoutes } from "../../src/metrics/route.ts";
import { METRICS, PREFIX } from "../../src/metrics/table.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { readSamples } from "../support/metrics.ts";
import { testClock, testPorts } from "../support/ports.ts";

const ABOUT = { version: "1.2.3", runtime: "Node 24" };

test("a scrape without a store has the counters at 0, the process's own metrics, and says that the store cannot be used", async () => {
  const metrics = openMetrics(ABOUT);
  metrics.setEndpoints(["cms"]);
  const { type, body } = await metrics.text();
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  const samples = readSamples(body);
  for (const each of [
    'received_total{type="video.ready",outcome="accepted"}',
    'received_total{type="legacy",outcome="duplicate"}',
    'received_total{type="other",outcome="unavailable"}',
    'refused_total{reason="source"}',
    'would_refuse_total{reason="token"}',
    'deliveries_settled_total{endpoint="cms",state="dead"}',
    'attempts_total{endpoint="cms",outcome="dns"}',
    'attempt_seconds_count{endpoint="cms"}',
    'media_settled_total{kind="video",state="expired"}',
    'media_bytes_total{direction="downloaded"}',
    "store_usable",
  ])
    assert.equal(samples.get(PREFIX + each), 0, each);
  assert.equal(samples.get(`${PREFIX}build_info{version="1.2.3",runtime="Node 24"}`), 1);
  assert.ok(samples.get(`${PREFIX}process_resident_memory_bytes`)! > 0);
  for (const name of Object.keys(METRICS)) assert.match(body, new RegExp(`^# HELP ${PREFIX}${name} \\S`, "m"));
});

test("labels are bounded: an unknown type is other, and what is left of an endpoint that was removed is removed", async () => {
  const metrics = openMetrics(ABOUT);
  metrics.setEndpoints(["cms", "crm"]);
  const { port } = metrics;
  port.received("video.ready", "accepted");
  port.received('a.type\n"of" strangers', "accepted");
  port.received(null, "quarantined");
  port.attempted("cms", "2xx", 40);
  port.attempted("crm", "timeout", 15_000);
  metrics.setEndpoints(["cms"]);
  port.attempted("crm", "5xx", 1);
  port.deliverySettled("crm", "dead");
  const samples = readSamples((await metrics.text()).body);
  const value = (name: string) => samples.get(PREFIX + name);
  assert.equal(value('received_total{type="video.ready",outcome="accepted"}'), 1);
  assert.equal(value('received_total{type="other",outcome="accepted"}'), 1);
  assert.equal(value('received_total{type="other",outcome="quarantined"}'), 1);
  assert.equal(value('attempts_total{endpoint="cms",outcome="2xx"}'), 1);
  assert.equal(value('attempts_total{endpoint="removed",outcome="5xx"}'), 1);
  assert.equal(value('deliveries_settled_total{endpoint="removed",state="dead"}'), 1);
  assert.ok(![...samples.keys()].some((name) => name.includes('"crm"') || name.includes("strangers")));
});

test("a histogram has cumulative buckets, a sum in seconds and a count", async () => {
  const metrics = openMetrics(ABOUT);
  metrics.setEndpoints(["cms"]);
  for (const ms of [5, 40, 40, 70_000]) metrics.port.attempted("cms", "2xx", ms);
  const samples = readSamples((await metrics.text()).body);
  const bucket = (le: string) => samples.get(`${PREFIX}attempt_seconds_bucket{endpoint="cms",le="${le}"}`);
  assert.deepEqual(["0.005", "0.025", "0.05", "60", "+Inf"].map(bucket), [1, 1, 3, 3, 4]);
  assert.equal(samples.get(`${PREFIX}attempt_seconds_sum{endpoint="cms"}`), 70.085);
  assert.equal(samples.get(`${PREFIX}attempt_seconds_count{endpoint="cms"}`), 4);
});

/** Metrics over a real store with an event, whose delivery and video wait. */
async function overStore(t: Parameters<typeof tempFolder>[0], change: Partial<Reading> = {}) {
  const clock = testClock();
  const config = configIn(tempFolder(t), { endpoints: [endpoint("cms"), { ...endpoint("crm"), paused: true }] });
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const said = {
    type: "video.ready",
    wochitVideoId: "v1",
    videoUrl: "https://cdn.example.com/v1.mp4",
    thumbnailUrl: "https://cdn.example.com/v1.jpg",
  };
  await store.accept({ receivedAt: clock.now(), sourceAddress: "::1", body: Buffer.from(JSON.stringify(said)) });
  const metrics = openMetrics(ABOUT);
  const database = join(config.dataDir, "relay.db");
  const reading: Reading = { store, config, clock, database, targetTrouble: () => "it is away", ...change };
  metrics.setEndpoints(["cms", "crm"]);
  metrics.readFrom(createReadings(reading));
  const scrape = async () => {
    const samples = readSamples((await metrics.text()).body);
    return (name: string) => samples.get(PREFIX + name);
  };
  return { clock, config, store, metrics, scrape };
}

test("gauges say what waits, how old it is, which link dies first, and what of the disk is used", async (t) => {
  const { clock, config, scrape } = await overStore(t);
  mkdirSync(join(config.dataDir, "spool"));
  writeFileSync(join(config.dataDir, "spool", "med_1.part"), "1234567");
  clock.set(clock.now() + 3_600_000);
  const value = await scrape();
  assert.equal(value("store_usable"), 1);
  assert.equal(value("target_usable"), 0);
  assert.equal(value('jobs{kind="download",state="pending"}'), 2);
  assert.equal(value('jobs{kind="deliver",state="waiting"}'), 2);
  assert.equal(value('jobs_oldest_seconds{kind="download"}'), 3_600);
  assert.equal(value('jobs_oldest_seconds{kind="upload"}'), 0);
  assert.equal(value('deliveries{endpoint="cms",state="waiting"}'), 1);
  assert.equal(value('deliveries{endpoint="cms",state="dead"}'), 0);
  assert.equal(value('deliveries{endpoint="removed",state="pending"}'), 0);
  assert.equal(value('deliveries_oldest_seconds{endpoint="cms"}'), 3_600);
  assert.equal(value('media{kind="thumbnail",state="pending"}'), 1);
  assert.equal(value('media{kind="thumbnail",state="expired"}'), 0);
  assert.equal(value('endpoint_paused{endpoint="crm"}'), 1);
  assert.equal(value('endpoint_paused{endpoint="cms"}'), 0);
  assert.equal(value('endpoint_breaker{endpoint="cms"}'), 0);
  assert.equal(value("last_event_timestamp_seconds"), clock.now() / 1_000 - 3_600);
  assert.equal(value("media_nearest_deadline_seconds"), 23 * 3_600);
  assert.equal(value("backup_verified_timestamp_seconds"), undefined);
  assert.ok(value('database_bytes{file="database"}')! >= 4_096);
  assert.ok(value("disk_free_bytes")! > 0);
  assert.equal(value("disk_needed_bytes"), 2 ** 30);
  assert.equal(value("spool_bytes"), 7);
  assert.ok(value("commit_seconds_count")! >= 1);
  assert.equal(value("commit_seconds_count"), value("commit_batch_count"));
  assert.ok(value("commit_batch_sum")! >= value("commit_batch_count")!);
});

test("the breaker of an endpoint that fails is open, and probing once a probe is due", async (t) => {
  const states = [
    {
      endpoint: "cms",
      pausedAt: null,
      reason: null,
      health: {
        count: 10,
        since: 0,
        videos: [],
        ramp: null,
        breaker: { error: "refused", failures: 1, since: 0, dueAt: testClock().now() + 5_000 },
      },
    },
  ];
  const { store, clock, scrape, metrics, config } = await overStore(t);
  metrics.readFrom(
    createReadings({
      store: { ...store, endpoints: async () => states },
      config,
      clock,
      database: join(config.dataDir, "relay.db"),
      targetTrouble: () => null,
    }),
  );
  assert.equal((await scrape())('endpoint_breaker{endpoint="cms"}'), 2);
  clock.set(clock.now() + 5_000);
  assert.equal((await scrape())('endpoint_breaker{endpoint="cms"}'), 1);
});

test("however often it is scraped, the store is asked once in five seconds", async (t) => {
  const { store, clock, config, metrics, scrape } = await overStore(t);
  let asked = 0;
  const counts = () => {
    asked++;
    return store.counts();
  };
  const database = join(config.dataDir, "relay.db");
  metrics.readFrom(createReadings({ store: { ...store, counts }, config, clock, database, targetTrouble: () => null }));
  await Promise.all([scrape(), scrape(), scrape()]);
  clock.set(clock.now() + 4_999);
  await scrape();
  assert.equal(asked, 1);
  clock.set(clock.now() + 1);
  await scrape();
  assert.equal(asked, 2);
});

test("what hangs is left out of a scrape, which is answered; of the commits the last numbers hold", async (t) => {
  const { store, clock, config, metrics, scrape } = await overStore(t);
  const before = (await scrape())("commit_seconds_count");
  const never = () => new Promise<never>(() => {});
  const hanging = { ...store, counts: never, commits: never, endpoints: never, events: never, media: never };
  const database = join(config.dataDir, "relay.db");
  metrics.readFrom(createReadings({ store: hanging, config, clock, database, targetTrouble: () => null }));
  const scraping = scrape();
  await clock.advance(2_000);
  const value = await scraping;
  assert.equal(value("jobs_oldest_seconds"), undefined);
  assert.equal(value('deliveries{endpoint="cms",state="waiting"}'), undefined);
  assert.equal(value("last_event_timestamp_seconds"), undefined);
  assert.equal(value("commit_seconds_count"), before);
  assert.equal(value("store_usable"), 1);
});

test("GET /metrics is plain text that is not kept", async () => {
  const app = metricsRoutes(openMetrics(ABOUT));
  const answer = await app.request("/metrics");
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.match(await answer.text(), /^wochit_relay_build_info\{/m);
});
