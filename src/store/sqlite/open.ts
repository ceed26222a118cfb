import type Database from "better-sqlite3";
import type { Config } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import type { Ports } from "../../ports.ts";
import { settingsOf } from "../settings.ts";
import type { Store, StoreOptions } from "../store.ts";

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

/** Names of queues: downloads, uploads, deletions, and deliveries per endpoint. */
const DOWNLOAD = "download";
const UPLOAD = "upload";
const DELETE = "delete";
const DELIVER = "deliver/";

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
    const holderOf = (queue: string) =>
      queue === DOWNLOAD ? downloads : queue === UPLOAD || queue === DELETE ? transfers : deliveries;
    let closed = false;

    return {
      accept: (acceptance) => write(() => events.accept(acceptance, clock.now()), { bytes: acceptance.body.length }),
      quarantine: (refusal) => write(() => quarantine.keep(refusal), { bytes: refusal.body.length }),

      claimDownloads: async (wish) => (isDue(downloads.nextDue(), wish.now) ? write(() => downloads.claim(wish)) : []),
      claimDeliveries: async (wish) =>
        isDue(deliveries.nextDue(wish.endpoint), wish.now) ? write(() => deliveries.claim(wish)) : [],
      claimUploads: async (wish) =>
        isDue(transfers.nextDue("upload"), wish.now) ? write(() => uploads.claim(wish)) : [],
      // What becomes of erased media is not forgettable.
      claimDeletions: async (wish) =>
        isDue(transfers.nextDue("delete", "erase"), wish.now) ? write(() => deletions.claim(wish)) : [],
      renew: (job, leaseUntil) => write(() => holderOf(job.queue).renew(job, leaseUntil, clock.now())),
      refreshUpload: (job, leaseUntil) => write(() => uploads.refresh(job, leaseUntil, clock.now())),
      placeUpload: (job, copy) => write(() => uploads.place(job, copy)),
      settleUpload: (job, outcome, now) => write(() => uploads.settle(job, outcome, now)),
      settleDeletion: (job, outcome, now) => write(() => deletions.settle(job, outcome, now)),
      isCopyWanted: ({ target, key }) => read(() => ends.isWanted(ids.read("tgt", target), key)),
      spooledMedia: () =>
        read(() => [
          ...downloads.scheduled().map((id) => ({ mediumId: ids.show("med", id), uploads: false })),
          ...transfers.uploading().map((id) => ({ mediumId: ids.show("med", id), uploads: true })),
        ]),
      reviveSpooled: (mediumIds, now) =>
        write(() => {
          for (const id of mediumIds) downloads.revive(ids.find("med", id), now);
        }),
      isSpooled: (mediumId) => read(() => downloads.isSpooled(ids.find("med", mediumId))),
      raiseRisks: (now) => write(() => risks.raise(now)),
      nextRisk: () => read(() => risks.next()),
      targetId: async (place, before) => targets.known(place) ?? write(() => targets.id(place, before)),
      targets: () => read(() => targets.list()),
      settleDownload: (job, outcome, now) => write(() => downloads.settle(job, outcome, now)),
      settleDelivery: (job, outcome, now) => write(() => deliveries.settle(job, outcome, now)),
      nextDue: (queue) =>
        read(() => {
          if (queue === DOWNLOAD) return downloads.nextDue();
          if (queue === UPLOAD) return transfers.nextDue("upload");
          if (queue === DELETE) return transfers.nextDue("delete", "erase");
          return deliveries.nextDue(queue.slice(DELIVER.length));
        }),
      freeLeases: (now) =>
        write(() => downloads.freeLeases(now) + transfers.freeLeases(now) + deliveries.freeLeases(now), {
          patience: START_PATIENCE,
        }),
      skipMedia: (now) => write(() => downloads.skipAll(now)),
      seenAt: (now) =>
        write(() => {
          for (const holder of [downloads, transfers, deliveries]) holder.mendDue(now);
          return seenTime.replace(now);
        }),
      bringForward: (by, now) =>
        write(() => {
          seenTime.set(now);
          downloads.bringForward(by, now);
          transfers.bringForward(by);
          deliveries.bringForward(by);
        }),
      changeMark: () => read(() => dataVersion.get()!.data_version),

      event: (id) => read(() => events.show(id)),
      eventBody: (id) => read(() => events.body(id)),
      eventMedia: (id) => read(() => events.media(id)),
      events: (wish) => read(() => events.list(wish)),
      replay: (id, to, now) => write(() => events.replay(id, to, now)),

      delivery: (id, limit) => read(() => deliveries.show(id, limit)),
      deliveries: (wish) => read(() => deliveries.list(wish)),
      retryDelivery: (id, now) => write(() => deliveries.retry(id, now)),
      cancelDelivery: (id, now) => write(() => deliveries.cancel(id, now)),

      endpoints: () => read(() => deliveries.endpoints()),
      pauseEndpoint: (id, reason, now) => write(() => void deliveries.pause(id, reason, now)),
      resumeEndpoint: (id) => write(() => deliveries.resume(id)),

      video: (id, limit) => read(() => videos.show(id, limit)),
      videos: (wish) => read(() => videos.list(wish)),
      videosOfContext: (context, page) => read(() => videos.ofContext(context, page)),
      importContexts: (rows, how, now) => write(() => ({ imported: videos.import(rows, how.override, now) })),

      medium: (id) => read(() => lists.show(id)),
      media: (wish) => read(() => lists.list(wish)),
      mediumByKey: (key) => read(() => lists.byKey(key)),
      retryMedium: (id, now) => write(() => lists.retry(id, now)),
      mendMedium: (id, now) => write(() => lists.mend(id, now)),
      async forgetVideo(videoId, now) {
        const erased = await forgetInPieces(forgetting, { read, write: writeErasing, clock }, videoId, now);
        // The log still holds the pages as they were; where somebody is reading, the next checkpoint takes them. The first
        // of the two holds no writer up, and leaves next to nothing to the second, which does.
        db.pragma("wal_checkpoint(PASSIVE)");
        db.pragma("wal_checkpoint(TRUNCATE)");
        return erased;
      },

      quarantined: (wish) => read(() => quarantine.list(wish)),
      quarantinedBody: (id) => read(() => quarantine.show(id)),
      dropQuarantined: (id) => write(() => quarantine.drop(id)),

      beginBackup: (begun) => write(() => backups.begin(begun)),
      begunBackups: () => read(() => backups.begun()),
      endBackup: (begun) => write(() => backups.end(begun)),
      noteBackup: (backup) => write(() => backups.note(backup)),
      backups: () => read(() => backups.list()),
      lastBackup: () => read(() => backups.last()),
      noteFailedBackup: (failed) => write(() => backups.fail(failed)),
      failedBackup: () => read(() => backups.failed()),
      forgetBackup: (id) => write(() => backups.forget(id)),
      epoch: () => read(() => readEpoch(sql)),

      configure: (changed) => void Object.assign(settings, changed),
      counts: () => read(() => countAll(sql)),
      mediaSecret: async () => readSecret(db) ?? write(() => makeSecret(db, random), { patience: START_PATIENCE }),
      trouble: () => group.trouble(),
      damage: damage.seen,
      disproveDamage: damage.disprove,
      wasUnclean: () => unclean,
      lastCheck: () => read(() => readCheck(db)),
      noteCheck: (check) => write(() => writeCheck(db, check)),
      probe: () => group.probe(),
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

function isDue(due: number | null, now: number): boolean {
  return due !== null && due <= now;
}
