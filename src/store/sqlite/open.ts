import type Database from "better-sqlite3";
import type { Config } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import type { Job, QueueName } from "../../model/job.ts";
import type { Ports } from "../../ports.ts";
import type { Backups } from "../backups.ts";
import { settingsOf } from "../settings.ts";
import type { Claimed, ClaimWish, Store, StoreOptions, StoreVerbs } from "../store.ts";
import { backupVerbs, makeVerbs, storeVerbs, type Work, type Works } from "../verbs.ts";
import { backUpBeforeMigration } from "./backup/before-migration.ts";
import { createBackups } from "./backup/records.ts";
import { createDamage } from "./commit/damage.ts";
import { createCommitGroup } from "./commit/group.ts";
import { createDeliveries } from "./deliveries/deliveries.ts";
import { createGates } from "./deliveries/gates.ts";
import { createLanes } from "./deliveries/lanes.ts";
import { createNotices } from "./deliveries/notices.ts";
import { createAnnouncements } from "./events/announcements.ts";
import { createEvents } from "./events/events.ts";
import { createForgetting, forgetInPieces } from "./events/forget.ts";
import { createHistory } from "./events/history.ts";
import { createQuarantine } from "./events/quarantine.ts";
import { createVideos } from "./events/videos.ts";
import { hasLog, lockFolder, lockOf, makeFolder, openDatabase } from "./files/database.ts";
import { isDiskFull, openReserve } from "./files/reserve.ts";
import { watchPlace } from "./files/watch.ts";
import { createRisks } from "./media/at-risk.ts";
import { createDeletions } from "./media/deletions.ts";
import { createDownloads } from "./media/downloads.ts";
import { createMediaLists } from "./media/lists.ts";
import { createMediaRows } from "./media/rows.ts";
import { createMediaEnds } from "./media/settle.ts";
import { createTargets } from "./media/targets.ts";
import { createTransfers } from "./media/transfers.ts";
import { createUploads } from "./media/uploads.ts";
import { countAll } from "./rows/counts.ts";
import { readEpoch, readEpochNumber } from "./rows/epochs.ts";
import { openIds } from "./rows/ids.ts";
import { makeSecret, probe, readCheck, readSecret, writeCheck } from "./rows/meta.ts";
import { createSeenTime } from "./rows/seen-time.ts";
import { withStablePlans } from "./rows/sql.ts";

/** How long a start tries its first writes, in milliseconds: a relay that waited longer would not even answer 503. */
const START_PATIENCE = 700;

/** Opens `<dataDir>/relay.db`. The relay makes the folder and the database; an operator's command makes nothing. */
export async function openSqliteStore(
  config: Config,
  { clock, random, log }: Ports,
  { role, onLost }: StoreOptions,
): Promise<Store> {
  const closers: (() => void)[] = [];
  try {
    if (role === "relay") {
      makeFolder(config.dataDir);
      closers.push(lockFolder(config.dataDir));
      await backUpBeforeMigration(config.dataDir, clock, log);
    }
    const unclean = hasLog(config.dataDir);
    const db = openDatabase(config.dataDir, role);
    closers.push(() => db.close());
    const reserve = role === "relay" ? openReserve(config.dataDir, clock, log) : null;
    if (reserve) closers.push(reserve.close);

    const settings = settingsOf(config);
    const sql = withStablePlans(db);
    const ids = openIds(sql, clock);
    const lanes = createLanes(sql);
    const media = createMediaRows(sql);
    const gates = createGates(sql, lanes, media);
    const transfers = createTransfers(sql, ids);
    const notices = createNotices(sql, ids, lanes, media, settings);
    const ends = createMediaEnds(sql, media, transfers, gates, notices);
    const downloads = createDownloads(sql, ids, media, ends, transfers, settings);
    const uploads = createUploads(sql, ids, media, ends, transfers, settings);
    const deletions = createDeletions(sql, ids, media, ends, transfers, settings);
    const risks = createRisks(sql, ids, notices);
    const targets = createTargets(sql, ids, config.dataDir);
    const videos = createVideos(sql, ids, createHistory(sql, ids), readEpochNumber(sql));
    const announcements = createAnnouncements(sql, ids, media);
    const events = createEvents(sql, ids, videos, media, announcements, lanes, gates, deletions);
    const deliveries = createDeliveries(sql, ids, lanes, gates, events, notices);
    const quarantine = createQuarantine(sql, ids, settings);
    const forgetting = createForgetting(sql, ends, lanes, quarantine);
    const lists = createMediaLists(sql, ids, downloads, settings);
    const backups = createBackups(sql, ids);
    const seenTime = createSeenTime(sql);

    const dataVersion = db.prepare<[], { data_version: number }>("PRAGMA data_version");
    let seenVersion = -1;
    const damage = createDamage(log);
    const place = watchPlace(db.name, role === "relay" ? lockOf(config.dataDir) : null);
    let gone: ReturnType<typeof place> = null;
    let isLost = false;

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
        // Before it, too: another process may have begun to write with an index of its own.
        lookAtPlace();
        if (gone !== null) throw Object.assign(new Error(gone.line), { code: "SQLITE_READONLY_DBMOVED" });
        // Ids must be greater than what another process has committed since.
        const version = dataVersion.get()!.data_version;
        if (version === seenVersion) return;
        seenVersion = version;
        ids.catchUp();
        quarantine.forget();
      },
      undone: () => quarantine.forget(),
      lost() {
        lookAtPlace();
        if (gone?.isLog) saveLog(db, log);
        return gone?.line ?? null;
      },
      probe: (bytes) => probe(db, bytes),
      onFailure(error) {
        if (isDiskFull(error, config.dataDir)) reserve?.free();
        damage.note(error);
      },
      onTrouble(error) {
        if (error !== null) log.error("store in trouble", { error });
        else log.info("store recovered");
      },
    });
    let closed = false;
    const { write } = group;
    const read = async <T>(work: () => T): Promise<T> => damage.heed(work);
    /** What is erased is overwritten, and not only unlinked (sqlite.org/pragma.html#pragma_secure_delete). */
    const writeErasing = <T>(work: () => T): Promise<T> =>
      write(() => {
        db.pragma("secure_delete = ON");
        try {
          return work();
        } finally {
          db.pragma("secure_delete = OFF");
        }
      });
    const holderOf = (queue: QueueName) =>
      queue === "download" ? downloads : queue === "upload" || queue === "delete" ? transfers : deliveries;

    const works: Works<StoreVerbs> = {
      accept: (acceptance) => events.accept(acceptance, clock.now()),
      quarantine: (refusal) => quarantine.keep(refusal),

      claimDownloads: claimWork(downloads.nextDue, downloads.claim),
      claimDeliveries: claimWork(({ endpoint }) => deliveries.nextDue(endpoint), deliveries.claim),
      claimUploads: claimWork(() => transfers.nextDue("upload"), uploads.claim),
      claimDeletions: claimWork(() => transfers.nextDue("delete", "erase"), deletions.claim),
      renew: (job, leaseFor) => holderOf(job.queue).renew(job, leaseFor, clock.now()),
      refreshUpload: (job, leaseFor) => uploads.refresh(job, leaseFor, clock.now()),
      placeUpload: uploads.place,
      settleDownload: downloads.settle,
      settleUpload: uploads.settle,
      settleDeletion: deletions.settle,
      settleDelivery: deliveries.settle,
      freeLeases: {
        run: (now) => downloads.freeLeases(now) + transfers.freeLeases(now) + deliveries.freeLeases(now),
        patience: START_PATIENCE,
      },
      isCopyWanted: ({ target, key }) => ends.isWanted(ids.read("tgt", target), key),
      spooledMedia: () => [
        ...downloads.scheduled().map((id) => ({ mediumId: ids.show("med", id), uploads: false })),
        ...transfers.uploading().map((id) => ({ mediumId: ids.show("med", id), uploads: true })),
      ],
      reviveSpooled(mediumIds, now) {
        for (const id of mediumIds) downloads.revive(ids.find("med", id), now);
      },
      isSpooled: (mediumId) => downloads.isSpooled(ids.find("med", mediumId)),
      raiseRisks: risks.raise,
      nextRisk: risks.next,
      targetId: { answer: (place) => targets.known(place) ?? undefined, run: targets.id },
      targets: targets.list,
      skipMedia: downloads.skipAll,

      bringForward(by, now) {
        seenTime.set(now);
        downloads.bringForward(by, now);
        transfers.bringForward(by);
        deliveries.bringForward(by);
      },
      seenAt(now) {
        for (const holder of [downloads, transfers, deliveries]) holder.mendDue(now);
        return seenTime.replace(now);
      },
      changeMark: () => dataVersion.get()!.data_version,

      event: events.show,
      eventBody: events.body,
      eventMedia: events.media,
      events: events.list,
      replay: events.replay,

      delivery: deliveries.show,
      deliveries: deliveries.list,
      retryDelivery: deliveries.retry,
      cancelDelivery: deliveries.cancel,
      endpoints: deliveries.endpoints,
      pauseEndpoint: deliveries.pause,
      resumeEndpoint: deliveries.resume,

      video: videos.show,
      videos: videos.list,
      videosOfContext: videos.ofContext,
      importContexts: (rows, how, now) => ({ imported: videos.import(rows, how.override, now) }),
      async forgetVideo(videoId, now) {
        const erased = await forgetInPieces(forgetting, { read, write: writeErasing, clock }, videoId, now);
        // The log still holds the pages as they were; where somebody is reading, the next checkpoint takes them. The first
        // of the two holds no writer up, and leaves next to nothing to the second, which does.
        db.pragma("wal_checkpoint(PASSIVE)");
        db.pragma("wal_checkpoint(TRUNCATE)");
        return erased;
      },

      medium: lists.show,
      media: lists.list,
      mediumByKey: lists.byKey,
      retryMedium: lists.retry,
      mendMedium: lists.mend,

      quarantined: quarantine.list,
      quarantinedBody: quarantine.show,
      dropQuarantined: (id) => quarantine.drop(id),

      epoch: () => readEpoch(sql),
      counts: () => countAll(sql),
      mediaSecret: { answer: () => readSecret(db), run: () => makeSecret(db, random), patience: START_PATIENCE },
      lastCheck: () => readCheck(db),
      noteCheck: (check) => writeCheck(db, check),
      probe: group.probe,
    };

    return {
      ...makeVerbs<StoreVerbs>(storeVerbs, works, { read, write }),
      backups: makeVerbs<Backups>(backupVerbs, backups, { read, write }),
      configure: (changed) => void Object.assign(settings, changed),
      trouble: group.trouble,
      damage: damage.seen,
      disproveDamage: damage.disprove,
      wasUnclean: () => unclean,
      async close() {
        if (closed) return;
        closed = true;
        await group.close();
        for (const close of closers.reverse()) close();
      },
    };
  } catch (error) {
    for (const close of closers.reverse()) close();
    throw error;
  }
}

/** The log has lost its name, and lives as long as this process: what it holds goes into the database, where it is safe. */
function saveLog(db: Database.Database, log: Ports["log"]): void {
  try {
    db.pragma("wal_checkpoint(TRUNCATE)");
  } catch (error) {
    log.error("what the deleted write-ahead log holds cannot be saved; stop the relay with SIGTERM, not SIGKILL", {
      error: errorLine(error),
    });
  }
}

/** A claim makes a transaction only where something is due. */
function claimWork<Wish extends ClaimWish, J extends Job>(
  nextDue: (wish: Wish) => number | null,
  claim: (wish: Wish) => J[],
): Work<[Wish], Claimed<J>> {
  return {
    answer(wish) {
      const due = nextDue(wish);
      return due === null || due > wish.now ? { jobs: [], nextDue: due } : undefined;
    },
    run(wish) {
      const jobs = claim(wish);
      // There may be more where the limit was reached.
      return { jobs, nextDue: jobs.length < wish.limit ? nextDue(wish) : wish.now };
    },
  };
}
