import { LEASE } from "../../../model/job.ts";
import type { SpooledFile } from "../../../model/medium.ts";
import { nextRisk } from "../../../rules/at-risk.ts";
import type { Gates } from "../deliveries/gates.ts";
import type { Notices } from "../deliveries/notices.ts";
import type { Sql } from "../rows/sql.ts";
import { FIRST_TRY, type MediaRows, type MediumRow } from "./rows.ts";
import type { Place, Transfers } from "./transfers.ts";

/** A copy as it is written into its row. */
export type CopyFacts = Omit<SpooledFile, "ext"> & { target: number; key: string };

/**
 * How the work on a medium goes on or ends, inside a transaction: its row, and all that follows in the same commit – the
 * next job, gates that open, a thumbnail that is superseded, copies that nobody refers to any longer, notices.
 */
export function createMediaEnds(db: Sql, media: MediaRows, transfers: Transfers, gates: Gates, notices: Notices) {
  const spooled = db.prepare(
    `UPDATE media SET state = 'pending', due = NULL, risk_at = NULL, attempts = attempts + 1, spooled = ?, last_error = NULL
     WHERE id = ?`,
  );
  const mirrored = db.prepare(
    `UPDATE media SET state = 'mirrored', due = NULL, risk_at = NULL, spooled = NULL, target = ?, key = ?, bytes = ?,
       sha256 = ?, content_type = ?, suspect = ?, etag = ?, last_modified = ?, last_error = NULL WHERE id = ?`,
  );
  const ended = db.prepare(
    "UPDATE media SET state = ?, due = NULL, risk_at = NULL, spooled = NULL, last_error = ? WHERE id = ?",
  );
  const deleted = db.prepare(
    `UPDATE media SET state = 'deleted', due = NULL, risk_at = NULL, spooled = NULL, target = NULL, key = NULL, last_error = ?
     WHERE id = ?`,
  );
  const retried = db.prepare("UPDATE media SET state = 'pending', due = ?, attempts = ?, last_error = ? WHERE id = ?");
  const restarted = db.prepare(
    `UPDATE media SET state = 'pending', due = ?, attempts = 0, spooled = NULL, last_error = ?, risk_at = ? WHERE id = ?`,
  );
  // A superseded row keeps its key, so that links to it can be answered with the copy that took its place.
  const keyUsed = db.prepare("SELECT 1 FROM media WHERE key = ? AND target IS ? AND state <> 'superseded' LIMIT 1");
  // It says twice what the state is not, because SQLite does not see that the index of live media serves it.
  const unblock = db.prepare(
    `UPDATE media SET due = ${FIRST_TRY} + deadline WHERE video = ? AND state <> 'superseded' AND kind = 'thumbnail'
       AND state = 'pending' AND due IS NULL AND spooled IS NULL AND NOT EXISTS (SELECT 1 FROM media r
         WHERE r.video = media.video AND r.state <> 'superseded' AND r.kind = 'thumbnail' AND r.state = 'running')`,
  );
  const keepKey = db.prepare("INSERT OR IGNORE INTO former_keys (key, medium) VALUES (?, ?)");
  const dropKeys = db.prepare("DELETE FROM former_keys WHERE medium = ?");
  const dropCopyOf = db.prepare(
    "UPDATE media SET target = NULL, key = NULL, etag = NULL, last_modified = NULL WHERE id = ?",
  );
  const forgetValidators = db.prepare("UPDATE media SET etag = NULL, last_modified = NULL WHERE id = ?");

  function follow(row: MediumRow, now: number): void {
    if (row.kind === "thumbnail") unblock.run(row.video);
    gates.reconsider(row.video, now);
  }

  /** Takes the upload of what the spool holds back: what it holds goes, and whatever was put but not written down. */
  function dropSpooled(row: MediumRow, now: number): Place[] {
    if (transfers.cancel("upload", row.id) === null) return [];
    const { bytes } = JSON.parse(row.spooled!) as SpooledFile;
    const places = transfers.takePlaces(row.id);
    if (places.length === 0) transfers.add("delete", row.id, null, now);
    for (const place of places) transfers.add("delete", row.id, { ...place, bytes }, now);
    return places;
  }

  /** What a download has written goes; one that runs ends when it hears that its lease is lost. */
  function dropPart(row: MediumRow, now: number): void {
    transfers.add("delete", row.id, null, row.state === "running" ? now + LEASE : now);
  }

  /** A copy that its row has let go of is deleted, unless another row refers to it. */
  function dropCopy({ id, target, key }: MediumRow, now: number): void {
    if (key !== null && !isWanted(target, key)) transfers.add("delete", id, { target, key }, now);
  }

  function isWanted(target: number | null, key: string): boolean {
    return keyUsed.get(key, target) !== undefined;
  }

  function supersede(row: MediumRow, by: MediumRow, now: number): Place[] {
    ended.run("superseded", row.last_error, row.id);
    transfers.cancel("erase", row.id);
    notices.passOn(row.id, by.id);
    const places = dropSpooled(row, now);
    dropCopy(row, now);
    return places;
  }

  /** A newer thumbnail has overtaken this one: a copy that it has already stays until the newer one has its own. */
  function letGo(row: MediumRow, by: MediumRow, now: number): Place[] {
    if (row.key === null || by.key !== null) return supersede(row, by, now);
    ended.run("mirrored", null, row.id);
    notices.passOn(row.id, by.id);
    return dropSpooled(row, now);
  }

  function others(row: MediumRow): MediumRow[] {
    if (row.kind !== "thumbnail") return [];
    return media.live(row.video, "thumbnail").filter((other) => other.id !== row.id);
  }

  function older(row: MediumRow): MediumRow[] {
    return others(row).filter((other) => other.sequence <= row.sequence);
  }

  /** Older thumbnails leave, now that a newer one has its copy. Returns where uploads that were taken back may have been put. */
  function supersedeOlder(row: MediumRow, now: number): Place[] {
    return older(row)
      .filter((other) => other.state === "mirrored" || other.spooled !== null)
      .flatMap((other) => supersede(other, row, now));
  }

  /** What was put in the place of other thumbnails has left them without a copy: they are downloaded again. */
  function replaceAt(row: MediumRow, { target, key, sha256 }: CopyFacts, now: number): void {
    for (const other of others(row)) {
      if (other.key !== key || other.target !== target || other.sha256 === sha256) continue;
      keepKey.run(key, other.id);
      dropCopyOf.run(other.id);
      if (other.state === "mirrored") restart(media.byId(other.id)!, "another thumbnail was put in its place", now);
    }
  }

  /** Downloads it from the first attempt on, at once: for a fresher link, a lost file, an operator. */
  function restart(row: MediumRow, error: string | null, now: number): void {
    const risk = nextRisk({ linkedAt: row.linked_at, deadline: row.deadline, now });
    dropSpooled(row, now);
    restarted.run(media.beginning(row), error, row.key === null ? risk : null, row.id);
    follow(row, now);
  }

  /** Downloads a medium that has a copy already again, whatever its validators say, to put it in the copy's place. */
  function mend(row: MediumRow, error: string, now: number): void {
    forgetValidators.run(row.id);
    restart(row, error, now);
  }

  /** Nothing of it is kept any longer: its copy, what is on its way, what the spool holds. No gate is looked at, and no notice made. */
  function discard(row: MediumRow, reason: string, now: number): void {
    deleted.run(reason, row.id);
    dropKeys.run(row.id);
    dropSpooled(row, now);
    if (row.due !== null) dropPart(row, now);
    transfers.cancel("erase", row.id);
    if (row.state !== "superseded") dropCopy(row, now);
  }

  return {
    isWanted,

    /** The bytes are secured: from here on it is the upload's. */
    spool(row: MediumRow, file: SpooledFile, now: number): void {
      spooled.run(JSON.stringify(file), row.id);
      transfers.add("upload", row.id, null, now);
      for (const other of older(row)) if (other.spooled !== null) letGo(other, row, now);
      follow(row, now);
    },

    mirror(row: MediumRow, copy: CopyFacts, now: number): void {
      const { target, key, bytes, sha256, contentType, suspect, etag, lastModified } = copy;
      mirrored.run(target, key, bytes, sha256, contentType, suspect, etag, lastModified, row.id);
      if (row.key !== null && row.key !== key) keepKey.run(row.key, row.id);
      if (row.key !== key || row.target !== target) dropCopy(row, now);
      // An older thumbnail was about to be put, or has been, over the copy that this one goes on with: that is not its end.
      const isOverwritten = supersedeOlder(row, now).some((place) => place.key === key && place.target === target);
      replaceAt(row, copy, now);
      const written = media.byId(row.id)!;
      if (isOverwritten) return mend(written, "an older thumbnail may be in its place: it is fetched again", now);
      follow(written, now);
      notices.tellEnd(written, now);
    },

    /** A download is tried again, as attempt number `attempts` + 1. */
    retry(row: MediumRow, at: number, attempts: number, error: string, now: number): void {
      retried.run(at, attempts, error, row.id);
      follow(row, now);
    },

    restart,
    mend,

    /** It comes to nothing; a copy that there is already stays. */
    end(row: MediumRow, state: "failed" | "expired" | "skipped", error: string, now: number): void {
      ended.run(row.key === null ? state : "mirrored", error, row.id);
      follow(row, now);
      notices.tellEnd(media.byId(row.id)!, now, { state, error });
    },

    /**
     * True when a newer thumbnail has overtaken this one: it gives way. Where it may have been put over the newer one's copy,
     * that one is fetched again.
     */
    giveWay(row: MediumRow, now: number): boolean {
      const by = media.successor(row);
      if (by === null) return false;
      const places = letGo(row, by, now);
      if (row.spooled === null && row.claims > 0) dropPart(row, now);
      follow(row, now);
      const isOverwritten = places.some(({ target, key }) => target === by.target && key === by.key);
      if (isOverwritten && by.spooled === null) {
        mend(by, "an older thumbnail may be in its place: it is fetched again", now);
      } else if (by.state === "mirrored") notices.tellOwed(by, now);
      return true;
    },

    /** Nothing of it is kept any longer; whoever was sent it as pending is told. */
    delete(row: MediumRow, reason: string, now: number): void {
      discard(row, reason, now);
      follow(row, now);
      notices.tellEnd(media.byId(row.id)!, now);
    },

    discard,
  };
}

export type MediaEnds = ReturnType<typeof createMediaEnds>;
