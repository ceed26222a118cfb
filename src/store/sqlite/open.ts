import type Database from "better-sqlite3";
import { errorLine, RelayError } from "../../errors.ts";
import type { Ports } from "../../ports.ts";
import { NO_OTHERS } from "../access/relays.ts";
import { databaseOf, removePart } from "../backup.ts";
import type { Backups } from "../backups.ts";
import { forgetInPieces } from "../core/events/forget.ts";
import { next as nextAtRisk } from "../core/media/at-risk.ts";
import { linkWorks } from "../core/media/link-secrets.ts";
import { createMemory, forgetSizes } from "../core/memory.ts";
import { LIMIT } from "../core/rows/numbers.ts";
import { createSums } from "../core/rows/tallies.ts";
import { createRules } from "../core/rules.ts";
import { ALONE, type Job, job } from "../core/tx.ts";
import { COMMIT_BOUNDS } from "../counts.ts";
import { createHistogram } from "../histogram.ts";
import { type Opening, reconfigured } from "../settings.ts";
import type { Store, StoreOptions, StoreVerbs } from "../store.ts";
import { backupVerbs, type Engine, makeVerbs, storeVerbs, type Works } from "../verbs.ts";
import { backUpBeforeMigration } from "./backup/before-migration.ts";
import { backupWorks } from "./backup/records.ts";
import { createDamage } from "./commit/damage.ts";
import { emptyLog } from "./commit/empty-log.ts";
import { createCommitGroup } from "./commit/group.ts";
import { createSnapshots } from "./commit/snapshot.ts";
import { hasLog, INCREMENTAL, lockFolder, lockOf, makeFolder, openDatabase } from "./files/database.ts";
import { isDiskFull, openReserve } from "./files/reserve.ts";
import { watchPlace } from "./files/watch.ts";
import { readEpochNumber } from "./rows/epochs.ts";
import { openIds } from "./rows/ids.ts";
import { withStablePlans } from "./rows/sql.ts";
import { createRunner } from "./runner.ts";
import { indexWork, titles } from "./titles.ts";

/** One relay has the database for itself: whatever it asks for it holds, and none of its statements meets a transaction under way. */
const ONE_RELAY = {
  relay: ALONE,
  // A database is restored while no relay runs.
  claimsFrom: () => 0,
  hold: async () => null,
  holdEndpoint: async () => true,
  holdAnswers: async () => true,
  alone: <T>(_: string, work: () => Promise<T>) => work(),
  horizon: async () => LIMIT + 1,
};

/** How long a start tries its first writes, in milliseconds: a relay that waited longer would not even answer 503. */
const START_PATIENCE = 700;

/** Opens `<dataDir>/relay.db` (`dataDir` is absolute). The relay makes the folder and the database; an operator's command makes nothing. */
export async function openSqliteStore(
  { dataDir, settings: given, checkpointAt, isBeside }: Opening,
  { clock, log }: Ports,
  { role, onLost }: StoreOptions,
): Promise<Store> {
  const closers: (() => void)[] = [];
  try {
    if (role === "relay") {
      makeFolder(dataDir);
      closers.push(lockFolder(dataDir));
      // Of a restore, or of a compaction, that was killed: both hold the lock.
      await removePart(databaseOf(dataDir));
      await backUpBeforeMigration(dataDir, clock, log);
    }
    const unclean = hasLog(dataDir);
    const db = openDatabase(dataDir, role, { checkpointAt, isBeside });
    closers.push(() => db.close());
    const reserve = role === "relay" ? openReserve(dataDir, clock, log) : null;
    if (reserve) closers.push(reserve.close);

    const settings = { ...given };
    const sql = withStablePlans(db);
    const ids = openIds(sql, clock);
    const memory = createMemory();
    const epoch = readEpochNumber(sql);
    const sums = createSums();
    const { run, flush, forget } = createRunner(
      sql,
      { ids, settings, epoch, dataDir, memory, titles, now: clock.now, ...ONE_RELAY },
      sums,
    );
    const dataVersion = db.prepare<[], { data_version: number }>("PRAGMA data_version");
    const fill = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', randomblob(?))");
    let seenVersion = -1;
    const damage = createDamage(log);
    const place = watchPlace(db.name, role === "relay" ? lockOf(dataDir) : null);
    let gone: ReturnType<typeof place> = null;
    let isLost = false;
    const [seconds, writes] = [createHistogram(COMMIT_BOUNDS.seconds), createHistogram(COMMIT_BOUNDS.writes)];

    const lookAtPlace = (): void => {
      gone = place();
      if (!gone?.canReopen || isLost) return;
      isLost = true;
      if (onLost === undefined) return;
      group.giveUp();
      onLost();
    };

    const group = createCommitGroup(db, {
      clock,
      begun() {
        sums.clear();
        forget();
        // Before it, too: another process may have begun to write with an index of its own.
        lookAtPlace();
        if (gone !== null) throw Object.assign(new Error(gone.line), { code: "SQLITE_READONLY_DBMOVED" });
        // Ids must be greater than what another process has committed since.
        const version = dataVersion.get()!.data_version;
        if (version === seenVersion) return;
        seenVersion = version;
        ids.catchUp();
        forgetSizes(memory.rings);
      },
      ending() {
        flush();
        return sums.isEmpty() ? undefined : run(job(sums.write));
      },
      undone: () => forgetSizes(memory.rings),
      committed(commit) {
        seconds.add(commit.seconds);
        writes.add(commit.writes);
      },
      lost() {
        lookAtPlace();
        return gone?.line ?? null;
      },
      // Random bytes: a file system that compresses would find room for zeros.
      probe: (bytes) => void fill.run(Math.max(bytes, 1)),
      onFailure(error) {
        if (isDiskFull(error, dataDir)) reserve?.free();
        damage.note(error);
      },
      onTrouble(error) {
        if (error !== null) log.error("store in trouble", { error });
        else log.info("store recovered");
      },
    });
    // Between two statements of the relay itself no other connection of it commits; beside it, the relay does.
    const snapshots = role === "operator" ? createSnapshots(db) : null;
    const read: Engine["read"] = (job) =>
      damage.heed(() => group.read(() => snapshots?.read(() => run(job)) ?? run(job)));
    const write: Engine["write"] = (job, how) => group.write((alone) => run(job, alone), how);
    const rules = createRules(settings);
    async function changeMark(): Promise<number> {
      // A command would wait for ever for commits to a database that a restore has put another one in the place of.
      if (role === "operator") lookAtPlace();
      if (role === "operator" && gone !== null) throw new RelayError("store_unavailable", gone.line);
      return dataVersion.get()!.data_version;
    }
    const works: Works<StoreVerbs, typeof storeVerbs> = {
      ...rules,
      ...NO_OTHERS,
      freeLeases: { run: rules.freeLeases as () => Job<number>, patience: START_PATIENCE },
      ensureLinkSecret: { ...linkWorks.ensureLinkSecret, patience: START_PATIENCE },
      indexTitles: indexWork,
      changeMark,
      async look() {
        const [mark, nextRisk] = await Promise.all([changeMark(), read(job(nextAtRisk))]);
        return { mark, nextRisk };
      },
      async forgetVideo(videoId, now, actor) {
        const erased = await forgetInPieces({ read, write, clock }, videoId, now, { actor });
        await write(indexWork.run(videoId));
        await emptyLog(db, clock, log);
        return erased;
      },
      async space() {
        const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }));
        const page = number("page_size");
        const givesBack = number("auto_vacuum") === INCREMENTAL;
        return { bytes: number("page_count") * page, free: number("freelist_count") * page, givesBack };
      },
      giveBack: (bytes) =>
        group.write(() => {
          const pages = Math.ceil(bytes / Number(db.pragma("page_size", { simple: true })));
          // All of its steps run only where its rows are read.
          db.pragma(`incremental_vacuum(${pages})`);
        }),
      probe: group.probe,
      commits: async () => ({ seconds: seconds.now(), writes: writes.now() }),
      async checkpoint() {
        const move = () => void db.pragma("wal_checkpoint(PASSIVE)");
        // SQLite refuses it inside of a transaction.
        await (snapshots?.outside(move) ?? move());
      },
    };

    let closed = false;
    return {
      ...makeVerbs<StoreVerbs, typeof storeVerbs>(storeVerbs, works, { read, write }),
      shared: null,
      backups: makeVerbs<Backups, typeof backupVerbs>(backupVerbs, backupWorks, { read, write }),
      configure: (changed) => void Object.assign(settings, reconfigured(settings, changed)),
      trouble: group.trouble,
      damage: damage.seen,
      disproveDamage: damage.disprove,
      wasUnclean: () => unclean,
      async close() {
        if (closed) return;
        closed = true;
        await group.close();
        if (gone?.isLog) saveLog(db, log);
        for (const close of closers.reverse()) close();
      },
    };
  } catch (error) {
    for (const close of closers.reverse()) close();
    throw error;
  }
}

/** How long the reads of other processes are waited for, in milliseconds. */
const LOG_PATIENCE = 2_000;

/**
 * The log has lost its name, and lives as long as a process has it open: what it holds goes into the database, where it is
 * safe. It is not moved whole while another process reads (sqlite.org/c3ref/wal_checkpoint_v2.html).
 */
function saveLog(db: Database.Database, log: Ports["log"]): void {
  let error = "another process reads from it";
  try {
    db.pragma(`busy_timeout = ${LOG_PATIENCE}`);
    const [moved] = db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
    if (moved?.busy === 0) return;
  } catch (thrown) {
    error = errorLine(thrown);
  }
  log.error("the deleted write-ahead log was not saved: events may be missing that were acknowledged", { error });
}
