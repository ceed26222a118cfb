import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { archiveQueued } from "../../src/archive/archive.ts";
import type { ArchiveParts } from "../../src/archive/put-part.ts";
import { openShelves } from "../../src/archive/shelves.ts";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import { expiryAt } from "../../src/model/retention.ts";
import { openStore } from "../../src/store/open.ts";
import { pruneArchived } from "../../src/store/retention.ts";
import type { Store } from "../../src/store/store.ts";
import { ownFolders } from "../../src/targets/own-folders.ts";
import { configIn, endpoint } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { answered } from "./outcomes.ts";
import { type TestClock, testClock, testPorts } from "./ports.ts";
import { realPorts } from "./real-ports.ts";

const DAY = 86_400_000;

export type Aged = {
  dir: string;
  configPath: string;
  config: Config;
  store: Store;
  clock: TestClock;
  /** The folder of the archive. */
  folder: string;
  /** The ids of the events, in their order. */
  ids: string[];
  /** The lines of all files in the folder: those of events, by id. */
  archived(): Map<string, Record<string, unknown>>;
};

/**
 * A database with an event for each of these bodies, of a day each in turn, all of them delivered, long ago; its clock is at
 * `now`. Nothing was pruned.
 */
export async function openAged(
  t: Pick<TestContext, "after">,
  bodies: object[],
  { days = 2, input = {}, now = Date.now() }: { days?: number; input?: ConfigInput; now?: number } = {},
): Promise<Aged> {
  const dir = tempFolder(t);
  const folder = join(dir, "archive");
  const config = configIn(dir, {
    server: { publicUrl: "https://relay.example.com" },
    mirror: { enabled: false },
    endpoints: [endpoint("app")],
    retention: { bodies: "5d", attempts: "5d", archive: { dir: "archive" } },
    ...input,
  });
  const clock = testClock(now - 30 * DAY);
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const ids: string[] = [];
  const perDay = Math.ceil(bodies.length / days);
  for (const [nth, event] of bodies.entries()) {
    clock.set(now - 30 * DAY + Math.floor(nth / perDay) * DAY + nth);
    const body = Buffer.from(JSON.stringify(event));
    ids.push((await store.accept({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", body })).id);
    await deliverAll(store, clock);
  }
  clock.set(now);
  return {
    dir,
    configPath: join(dir, "config.json"),
    config,
    store,
    clock,
    folder,
    ids,
    archived: () => linesIn(folder),
  };
}

async function deliverAll(store: Store, clock: TestClock): Promise<void> {
  for (;;) {
    const { jobs } = await store.claimDeliveries({ endpoint: "app", now: clock.now(), limit: 99, leaseFor: 30_000 });
    if (jobs.length === 0) return;
    for (const job of jobs) await store.settleDelivery(job, answered(200, { at: clock.now() }), clock.now());
  }
}

/** The lines of events in all files of a folder; of one event the newest. */
export function linesIn(folder: string): Map<string, Record<string, unknown>> {
  const lines = new Map<string, Record<string, unknown>>();
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    if (!name.endsWith(".gz")) continue;
    const [, ...events] = gunzipSync(readFileSync(join(folder, name)))
      .toString()
      .trimEnd()
      .split("\n");
    for (const { of, ...line } of events.map((text) => JSON.parse(text))) {
      if (of === undefined) lines.set(line.id, line);
      else for (const name of ["repeated", "deliveries"]) (lines.get(of)![name] as unknown[]).push(...line[name]);
    }
  }
  return lines;
}

/** What works on the archive of a database. Pauses are real, and as short as the store is quick; leases are of its clock. */
export function partsOf({ store, config, clock }: Pick<Aged, "store" | "config" | "clock">): ArchiveParts {
  const targets = () => Promise.reject(new Error("there is no target"));
  const shelves = openShelves({ archive: config.retention.archive, targets, access: "own", taken: ownFolders(config) });
  const { clock: real } = realPorts();
  const { random, log } = testPorts();
  const ports = { random, log, clock: { ...real, now: clock.now } };
  return { store, shelves, ports, dataDir: config.dataDir };
}

/** Prunes all that has expired, and archives it before. */
export function pruneAged(at: Pick<Aged, "store" | "config" | "clock">, by: string, parts = partsOf(at)) {
  const { signal } = new AbortController();
  const expiry = expiryAt(at.clock.now(), at.config.retention);
  const archive = (name: string, until: AbortSignal) => archiveQueued(parts, name, until);
  return pruneArchived(
    parts.store as Store,
    { expiry, by, takes: true, archive },
    { clock: parts.ports.clock, signal },
  );
}
