import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import type { EndpointState } from "../model/delivery.ts";
import { freeBytes } from "../platform/files/disk-space.ts";
import { within } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import { lastReceived } from "../store/access/last-received.ts";
import type { RelaySeen } from "../store/access/relays.ts";
import type { Commits, Counts } from "../store/counts.ts";
import type { Store } from "../store/store.ts";

/** How long a scrape waits for the store and for the disk, in milliseconds: what hangs is left out. */
const PATIENCE = 2_000;

/** How long what was read is given again, in milliseconds: however often it is scraped, the store is asked once in that time. */
const KEEP = 5_000;

/** What is read for a scrape; null: it could not be read, or there is none. Times are milliseconds since 1970. */
export type Readings = {
  now: number;
  usable: { store: boolean; target: boolean | null };
  endpoints: readonly { id: string; paused: boolean }[];
  counts: Counts | null;
  states: EndpointState[] | null;
  commits: Commits | null;
  lastEventAt: number | null;
  nearestDeadline: number | null;
  /** 0: none was made; null: none is to be made. */
  lastBackupAt: number | null;
  archiveFailingSince: number | null;
  /** Of the store, where several may work on it. */
  relays: RelaySeen[] | null;
  /** Bytes. */
  disk: { free: number | null; needed: number; downloads: number };
  database: Record<"database" | "log", number | null>;
  spool: number | null;
};

export type Reading = {
  store: Pick<
    Store,
    "counts" | "commits" | "endpoints" | "events" | "media" | "archiveState" | "space" | "relays" | "shared" | "trouble"
  > & {
    backups: Pick<Store["backups"], "last">;
  };
  config: Pick<Config, "dataDir" | "endpoints" | "backup" | "mirror" | "retention">;
  /** The database's file; null: it is on a server. */
  database: string | null;
  clock: Clock;
  /** Null: it takes copies. */
  targetTrouble(): string | null;
};

/** Reads what a scrape tells of the store, the endpoints and the disk; a second reading within five seconds gives the first. */
export function createReadings(reading: Reading): () => Promise<Readings> {
  const { clock } = reading;
  let last: Promise<Readings> | null = null;
  let at = 0;
  return () => {
    if (last === null || clock.elapsed() - at >= KEEP) {
      at = clock.elapsed();
      last = read(reading);
    }
    return last;
  };
}

async function read({ store, config, database, clock, targetTrouble }: Reading): Promise<Readings> {
  const inTime = <T>(work: () => Promise<T>): Promise<T | null> => within(PATIENCE, clock, work).catch(() => null);
  const [counts, states, commits, events, media, backup, archive, relays, free, main, log, spool] = await Promise.all([
    inTime(() => store.counts()),
    inTime(() => store.endpoints()),
    inTime(() => store.commits()),
    inTime(() => lastReceived(store)),
    inTime(() => store.media({ limit: 1, byDeadline: true })),
    config.backup === null ? null : inTime(async () => (await store.backups.last())?.at ?? 0),
    config.retention.archive === null ? null : inTime(() => store.archiveState()),
    store.shared === null ? null : inTime(() => store.relays()),
    inTime(() => freeBytes(config.dataDir)),
    inTime(async () => (database === null ? (await store.space()).bytes : sizeOf(database))),
    database === null ? null : inTime(() => sizeOf(`${database}-wal`)),
    inTime(() => sizeOfFolder(join(config.dataDir, "spool"))),
  ]);
  const least = config.mirror.enabled ? config.mirror.minFreeDisk : 0;
  const grows = database === null ? 0 : Math.ceil((main ?? 0) / 2);
  return {
    now: clock.now(),
    usable: { store: store.trouble() === null, target: targetTrouble() === null },
    endpoints: config.endpoints.map(({ id, paused }) => ({ id, paused })),
    counts,
    states,
    commits,
    lastEventAt: events,
    nearestDeadline: media?.[0]?.deadline ?? null,
    lastBackupAt: backup,
    relays,
    archiveFailingSince: archive?.failing?.since ?? null,
    disk: { free, needed: Math.max(least, grows), downloads: least },
    database: { database: main, log },
    spool,
  };
}

/** Bytes; 0 where nothing is there. */
async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function sizeOfFolder(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  let sum = 0;
  for (const name of names) sum += await sizeOf(join(folder, name));
  return sum;
}
