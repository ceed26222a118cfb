import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import Database from "better-sqlite3";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import type { StoreCopied, StoreCopyOptions } from "../../src/store/backup.ts";
import { copyStore } from "../../src/store/copy-database.ts";
import { openStore } from "../../src/store/open.ts";
import { openPostgresStore } from "../../src/store/postgres/open.ts";
import { settingsOf } from "../../src/store/settings.ts";
import type { Store } from "../../src/store/store.ts";
import { type Bench, bench, draft, FILE, ready, remove, video } from "../contracts/store.ts";
import { configIn, endpoint } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { type TestClock, testClock, testPorts } from "./ports.ts";
import { byTimeOf, wireTo } from "./postgres-store.ts";
import { realPorts } from "./real-ports.ts";

// A database in SQLite that has some of everything, and what it is copied into.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const BUCKET = {
  type: "s3",
  bucket: "b",
  endpoint: "https://s3.test",
  prefix: "p",
  region: null,
  pathStyle: true,
} as const;

const INPUT: ConfigInput = {
  endpoints: [endpoint("cms", { send: "immediately", concurrency: 99 }), endpoint("slow", { events: ["video.*"] })],
};

/** A config, and its database in SQLite, filled and closed. */
export type Filled = { config: Config; clock: TestClock };

/** `more` is done before it is closed. */
export async function filledSqlite(
  t: TestContext,
  more: (at: Bench) => Promise<unknown> = async () => {},
): Promise<Filled> {
  const config = configIn(tempFolder(t), INPUT);
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const at = bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
  await fill(at);
  await more(at);
  await store.close();
  return { config, clock };
}

async function fill(at: Bench): Promise<void> {
  const { store, clock, post } = at;
  const target = await store.targetId(BUCKET);
  await store.notePublicUrl("https://relay.example.com");
  await store.ensureLinkSecret(new Uint8Array(32).fill(7));
  const mirrored = async (key: string) => {
    for (const job of await at.download(2)) {
      await at.spool(job, { sha256: `${key}${job.kind}` });
      const [upload] = await at.upload(1);
      await store.placeUpload(upload!, { target, key: `${key}/${job.kind}` });
      await store.settleUpload(upload!, { is: "mirrored", target, key: `${key}/${job.kind}` }, clock.now());
    }
  };

  await post(ready("v1", { title: "Größe \\ {a,\"b\"} 'NULL'", duration: 12.25 }));
  await mirrored("v1");
  await post(ready("v1", { title: "Größe \\ {a,\"b\"} 'NULL'", duration: 12.25 }));
  await post(remove("v1"));
  await post(ready("v2", { videoContext: "İ\t\n" }));
  const [held] = await at.download(1);
  await at.spool(held!, FILE);
  await post(video("v3", "https://media.example/v3.mp4?sig=1"));
  await at.download(1);
  for (let n = 0; n < 5; n++) await post(draft("v4", { n, videoContext: n === 3 ? "later" : undefined }));
  await post(JSON.stringify({ type: "draft.exit", wochitVideoId: "v5" }));

  const [first, second, third, fourth] = await at.claim();
  await at.deliver(first!);
  await at.die(second!);
  await at.fail(third!);
  await at.die(fourth!);
  await clock.advance(MINUTE);
  assert.equal((await at.claim(HOUR)).length > 0, true, "some are left running");
  await store.retryDelivery(second!.id, clock.now());
  await store.replay(
    (await store.events({ limit: 1, videoId: "v4" }))[0]!.id,
    { endpoint: "slow", ordered: false, newId: true },
    clock.now(),
  );
  await store.pauseEndpoint("slow", "for a while", clock.now());

  const refused = { receivedAt: clock.now(), sourceAddress: "192.0.2.9" };
  await store.quarantine({
    ...refused,
    reason: "token",
    body: Buffer.from(ready("v9")),
    event: { videoId: "v9", type: "video.ready" },
  });
  await store.quarantine({ ...refused, reason: "invalid_json", body: Buffer.from([0, 255, 92, 34]), isEvent: false });
  const session = { hash: "a1", token: "admin", mark: "0123", address: "192.0.2.1", createdAt: clock.now() };
  await store.beginSession({ ...session, expiresAt: clock.now() + HOUR });
  await store.noteDeed({ through: "cli", by: "uid 0" }, { verb: "prune", subject: null, count: 3, outcome: "done" });
  await store.importContexts([{ videoId: "v5", context: "imported" }], { override: true }, clock.now());
  await store.silenceAlarm("BreakerOpen", { until: clock.now() + HOUR, reason: "a move" }, clock.now());
  await store.createTask(
    { verb: "retry", filter: { endpoint: "cms" }, by: "cli", rate: null, leaseFor: MINUTE },
    clock.now(),
  );
}

/** All that the port shows of a store, in the order in which it does. */
export async function shownOf({ store, clock }: { store: Store; clock: TestClock }) {
  const limit = 500;
  const events = await store.events({ limit });
  const deliveries = await store.deliveries({ limit });
  const quarantined = await store.quarantined({ limit });
  const bodies = events.map(({ id }) => store.eventBody(id).then(hex, String));
  return {
    events,
    bodies: await Promise.all(bodies),
    media: await Promise.all(events.map(({ id }) => store.eventMedia(id))),
    types: await store.eventTypes(),
    deliveries,
    attempts: await Promise.all(deliveries.map(({ id }) => store.delivery(id))),
    reasons: await store.deliveryReasons({}),
    endpoints: await store.endpoints(),
    videos: await store.videos({ limit }),
    found: await store.videos({ limit, q: "größe" }),
    allMedia: await store.media({ limit }),
    byContext: await store.videosOfContext("c", { limit }),
    spooled: await store.spooledMedia(),
    quarantined,
    refused: await Promise.all(quarantined.map(({ id }) => store.quarantinedBody(id).then(({ body }) => hex(body)))),
    sessions: await store.sessions(),
    tasks: await store.tasks({ limit }),
    audit: (await store.audit({ limit })).filter(({ verb }) => verb !== "store copy"),
    targets: await store.targets(),
    secrets: (await store.ensureLinkSecret(new Uint8Array(32))).map(({ secret, ...rest }) => [hex(secret), rest]),
    publicUrl: await store.publicUrl(),
    received: await store.tallies({ kind: "received", since: 0 }),
    attempted: await store.tallies({ kind: "attempts", since: 0 }),
    nextRisk: await store.nextRisk(),
    seen: await store.seenAt(clock.now()),
    counts: await store.counts(),
  };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

export async function openOnSqlite(t: TestContext, { config, clock }: Filled): Promise<Bench> {
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  return bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
}

/** The store of a relay on the same data folder, by the same clock. */
export async function openOnCopy(t: TestContext, { config, clock }: Filled, url: string): Promise<Bench> {
  const opening = { dataDir: config.dataDir, settings: settingsOf(config) };
  const store = await openPostgresStore(opening, await wireTo(url), byTimeOf(testPorts(clock)), { role: "relay" });
  t.after(() => store.close());
  return bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
}

/** Copies it into a database. */
export function copyTo(url: string, { config }: Filled, more: Partial<StoreCopyOptions> = {}): Promise<StoreCopied> {
  const opening = { dataDir: config.dataDir, server: { url, ca: null } };
  return copyStore(opening, realPorts(), { actor: { through: "cli", by: "uid 0" }, ...more });
}

/** Runs a statement on the closed database in SQLite. */
export function changeSqlite({ config }: Filled, text: string): void {
  const db = new Database(`${config.dataDir}/relay.db`);
  db.exec(text);
  db.close();
}
