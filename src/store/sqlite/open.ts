import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Config } from "../../config.ts";
import type { Ports } from "../../domain.ts";
import { errorLine, RelayError } from "../../errors.ts";
import type { Store } from "../store.ts";
import { createCommitGroup } from "./commit.ts";
import { countAll } from "./counts.ts";
import { createDeliveries } from "./deliveries.ts";
import { createDownloads } from "./downloads.ts";
import { createEvents } from "./events.ts";
import { createGates } from "./gates.ts";
import { createIds } from "./ids.ts";
import { createLanes } from "./lanes.ts";
import { createMediaRows } from "./media.ts";
import { createMediaLists } from "./media-lists.ts";
import { checkVersion, migrate } from "./migrations.ts";
import { createQuarantine } from "./quarantine.ts";
import { openReserve } from "./reserve.ts";
import { withStablePlans } from "./sql.ts";
import { createVideos } from "./videos.ts";

/** How long an operator's command waits for its turn to write; the relay itself never blocks (commit.ts tries again). */
const OPERATOR_PATIENCE = 5_000;

/**
 * What may be lost with the machine's power, some seconds' worth at most: a claim was a lease that has ended anyway, and
 * an attempt that is forgotten is made again, under the same webhook-id (delivery is at least once). Nothing of it is lost
 * with the process.
 */
const FORGETTABLE = { isForgettable: true };

/** Names of queues: downloads, and deliveries per endpoint. */
const DOWNLOAD = "download";
const DELIVER = "deliver/";

export const DATABASE_FILE = "relay.db";

/** Opens `<dataDir>/relay.db`. The relay makes the folder and the database; an operator's command makes nothing. */
export async function openSqliteStore(
  config: Config,
  { clock, random, log }: Ports,
  { role }: { role: "relay" | "operator" },
): Promise<Store> {
  const closers: (() => void)[] = [];
  try {
    if (role === "relay") {
      makeFolder(config.dataDir);
      closers.push(lockFolder(config.dataDir));
    }
    const db = openDatabase(config.dataDir, role);
    closers.push(() => db.close());
    const reserve = role === "relay" ? openReserve(config.dataDir, clock, log) : null;
    if (reserve) closers.push(reserve.close);

    const sql = withStablePlans(db);
    const ids = createIds(clock);
    const lanes = createLanes(sql);
    const gates = createGates(sql, lanes);
    const media = createMediaRows(sql, ids);
    const videos = createVideos(sql, ids);
    const events = createEvents(sql, ids, videos, media, lanes, gates);
    const downloads = createDownloads(sql, media, gates);
    const deliveries = createDeliveries(sql, lanes, events);
    const quarantine = createQuarantine(sql, ids, config.receive.keepRefused);
    const lists = createMediaLists(sql, downloads);

    const newest = db.prepare<[], { id: number }>(
      `SELECT max(coalesce((SELECT max(id) FROM deliveries), 0), coalesce((SELECT max(id) FROM events), 0),
         coalesce((SELECT max(id) FROM media), 0), coalesce((SELECT max(id) FROM videos), 0),
         coalesce((SELECT max(id) FROM duplicates), 0), coalesce((SELECT max(id) FROM past_contexts), 0),
         coalesce((SELECT max(id) FROM quarantine), 0)) AS id`,
    );
    const dataVersion = db.prepare<[], { data_version: number }>("PRAGMA data_version");
    let seenVersion = -1;
    const checkPlace = watchPlace(db.name, clock);

    const group = createCommitGroup(db, {
      clock,
      begun() {
        checkPlace();
        // Ids must be greater than what another process has committed since.
        const version = dataVersion.get()!.data_version;
        if (version === seenVersion) return;
        seenVersion = version;
        ids.taken(newest.get()!.id);
        quarantine.forget();
      },
      undone: () => quarantine.forget(),
      onFull: () => reserve?.free(),
      onTrouble(error) {
        if (error !== null) log.error("store in trouble", { error });
        else log.info("store recovered");
      },
    });
    const { write } = group;
    const read = async <T>(work: () => T): Promise<T> => work();
    let closed = false;

    return {
      accept: (acceptance) => write(() => events.accept(acceptance, clock.now()), { bytes: acceptance.body.length }),
      quarantine: (refusal) => write(() => quarantine.keep(refusal), { bytes: refusal.body.length }),

      claimDownloads: async (wish) =>
        isDue(downloads.nextDue(), wish.now) ? write(() => downloads.claim(wish), FORGETTABLE) : [],
      claimDeliveries: async (wish) =>
        isDue(deliveries.nextDue(wish.endpoint), wish.now) ? write(() => deliveries.claim(wish), FORGETTABLE) : [],
      renew: (job, leaseUntil) =>
        write(() => (job.queue === DOWNLOAD ? downloads : deliveries).renew(job, leaseUntil), FORGETTABLE),
      settleDownload: (job, outcome, now) => write(() => downloads.settle(job, outcome, now)),
      settleDelivery: (job, outcome, now) => write(() => deliveries.settle(job, outcome, now), FORGETTABLE),
      nextDue: (queue) =>
        read(() => (queue === DOWNLOAD ? downloads.nextDue() : deliveries.nextDue(queue.slice(DELIVER.length)))),
      freeLeases: (now) => write(() => downloads.freeLeases(now) + deliveries.freeLeases(now)),
      skipMedia: (now) => write(() => downloads.skipAll(now)),
      bringForward: (by) =>
        write(() => {
          downloads.bringForward(by);
          deliveries.bringForward(by);
        }),
      changeMark: () => read(() => dataVersion.get()!.data_version),

      event: (id) => read(() => events.show(id)),
      eventBody: (id) => read(() => events.body(id)),
      eventMedia: (id) => read(() => events.media(id)),
      events: (wish) => read(() => events.list(wish)),
      replay: (id, to, now) => write(() => events.replay(id, to, now)),

      delivery: (id) => read(() => deliveries.show(id)),
      deliveries: (wish) => read(() => deliveries.list(wish)),
      retryDelivery: (id, now) => write(() => deliveries.retry(id, now)),
      cancelDelivery: (id, now) => write(() => deliveries.cancel(id, now)),

      endpoints: () => read(() => deliveries.endpoints()),
      pauseEndpoint: (id, reason, now) => write(() => void deliveries.pause(id, reason, now)),
      resumeEndpoint: (id, now) => write(() => deliveries.resume(id, now)),

      video: (id) => read(() => videos.show(id)),
      videos: (wish) => read(() => videos.list(wish)),
      videosOfContext: (context) => read(() => videos.ofContext(context)),
      importContexts: (rows, now) => write(() => ({ imported: videos.import(rows, now) })),

      medium: (id) => read(() => lists.show(id)),
      media: (wish) => read(() => lists.list(wish)),
      mediumByKey: (key) => read(() => lists.byKey(key)),
      retryMedium: (id) => write(() => lists.retry(id)),

      quarantined: (wish) => read(() => quarantine.list(wish)),
      quarantinedBody: (id) => read(() => quarantine.show(id)),
      dropQuarantined: (id) => write(() => quarantine.drop(id)),

      counts: () => read(() => countAll(sql)),
      mediaSecret: async () => readSecret(db) ?? write(() => makeSecret(db, random)),
      trouble: () => group.trouble(),
      probe: () => write(() => probe(db, clock.now())),
      async close() {
        if (closed) return;
        closed = true;
        await group.idle();
        for (const close of closers.reverse()) close();
      },
    };
  } catch (error) {
    for (const close of closers.reverse()) close();
    throw error;
  }
}

function probe(db: Database.Database, now: number): void {
  db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', ?)").run(Buffer.from(String(now)));
}

/** How often the database's file is looked for, in milliseconds. */
const LOOK_EVERY = 1_000;

/**
 * Throws what SQLite has for it when the database's file is no longer where it was: whatever is committed to a file that
 * somebody has deleted or replaced is gone at the next start.
 */
function watchPlace(path: string, clock: Ports["clock"]): () => void {
  const place = () => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found && `${found.dev}/${found.ino}`;
  };
  const opened = place();
  let looked = clock.elapsed();
  let isThere = true;
  return () => {
    if (clock.elapsed() - looked >= LOOK_EVERY || !isThere) {
      looked = clock.elapsed();
      isThere = place() === opened;
    }
    if (isThere) return;
    throw Object.assign(new Error(`${path} was deleted or replaced; put it back, or restart the relay`), {
      code: "SQLITE_READONLY_DBMOVED",
    });
  };
}

function isDue(due: number | null, now: number): boolean {
  return due !== null && due <= now;
}

function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new RelayError("unsupported", `dataDir ${dir} cannot be made: ${errorLine(error)}`);
  }
}

/**
 * One relay per data folder: an exclusive lock on a small file of SQLite's, which the kernel drops when the process
 * dies, however it dies.
 */
function lockFolder(dir: string): () => void {
  const path = join(dir, "relay.lock");
  try {
    const lock = new Database(path, { timeout: 0 });
    try {
      chmodSync(path, 0o600);
      lock.pragma("journal_mode = MEMORY");
      lock.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      throw error;
    }
    return () => lock.close();
  } catch (error) {
    if ((error as { code?: string }).code === "SQLITE_BUSY") {
      throw new RelayError(
        "conflict",
        `another wochit-relay is running with dataDir ${dir}; stop it, or use another folder`,
      );
    }
    throw new RelayError("unsupported", `dataDir ${dir} cannot be locked: ${errorLine(error)}`);
  }
}

function openDatabase(dir: string, role: "relay" | "operator"): Database.Database {
  const path = join(dir, DATABASE_FILE);
  if (role === "operator" && !existsSync(path)) {
    throw new RelayError("not_found", `no database in ${dir}: has the relay run with this config?`);
  }
  let db: Database.Database;
  try {
    db = new Database(path, { timeout: role === "relay" ? 0 : OPERATOR_PATIENCE });
  } catch (error) {
    throw new RelayError("unsupported", `${path} cannot be opened: ${errorLine(error)}`);
  }
  try {
    if (role === "relay") {
      chmodSync(path, 0o600);
      checkVersion(db);
      db.pragma("journal_mode = WAL");
    }
    // A 2xx means committed to disk: better-sqlite3's own default in WAL mode is NORMAL, which is not (toolchain.md).
    db.pragma("synchronous = FULL");
    db.pragma("wal_autocheckpoint = 1000");
    db.pragma("journal_size_limit = 67108864");
    db.pragma("cache_size = -32768");
    // A savepoint copies each page it is the first to touch into a temporary file; in memory that costs next to nothing.
    db.pragma("temp_store = MEMORY");
    db.pragma("foreign_keys = OFF");
    if (role === "relay") migrate(db);
    else checkVersion(db);
    return db;
  } catch (error) {
    db.close();
    if (error instanceof RelayError) throw error;
    throw new RelayError("unsupported", `${path} cannot be used: ${errorLine(error)}`);
  }
}

function readSecret(db: Database.Database): Uint8Array | undefined {
  return db.prepare<[], { value: Uint8Array }>("SELECT value FROM meta WHERE name = 'media-secret'").get()?.value;
}

function makeSecret(db: Database.Database, random: Ports["random"]): Uint8Array {
  db.prepare("INSERT OR IGNORE INTO meta (name, value) VALUES ('media-secret', ?)").run(random.bytes(32));
  return readSecret(db)!;
}
