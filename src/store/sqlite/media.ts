import type Database from "better-sqlite3";
import type { DownloadOutcome, MediaKind, MediaState, Medium, PlannedMedium } from "../../domain.ts";
import { identityOf } from "../../links.ts";
import { type Ids, showId } from "./ids.ts";
import type { Jobs } from "./jobs.ts";

/** A media row, as SQLite gives it. */
export type MediumRow = {
  id: number;
  video: number;
  kind: MediaKind;
  event: number;
  sequence: number;
  url: string;
  host: string;
  deadline: number;
  changes: number;
  state: MediaState;
  job: number | null;
  key: string | null;
  bytes: number | null;
  sha256: string | null;
  content_type: string | null;
  suspect: string | null;
  etag: string | null;
  last_modified: string | null;
  last_error: string | null;
};

/** A pending medium whose job runs is shown as running; `video_id` comes from its video. */
export const MEDIUM_COLUMNS = `
  m.*, v.video_id,
  CASE WHEN m.state = 'pending' AND (SELECT j.state FROM jobs j WHERE j.id = m.job) = 'running' THEN 'running' ELSE m.state END AS shown_state
  FROM media m JOIN videos v ON v.id = m.video`;

export function toMedium(row: MediumRow & { video_id: string; shown_state: MediaState }): Medium {
  return {
    id: showId("med", row.id),
    videoId: row.video_id,
    kind: row.kind,
    eventId: showId("evt", row.event),
    state: row.shown_state,
    suspect: row.suspect,
    key: row.key,
    sourceUrl: row.url,
    bytes: row.bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    deadline: row.deadline,
    lastError: row.last_error,
  };
}

/** The event whose links are being filed. */
type Announcement = { event: number; video: number; videoIsNew: boolean; sequence: number; now: number };

/**
 * Media rows inside a transaction: which row a link belongs to, and what a finished download changes.
 *
 * A video link is a row for ever: announced again, it is the same file. A thumbnail is a place whose file changes: a
 * pending download takes the newer link over, a mirrored one is fetched again, and the newer copy supersedes the older.
 */
export function createMediaRows(db: Database.Database, ids: Ids, jobs: Jobs) {
  const live = db.prepare<[number, string], MediumRow>(
    "SELECT * FROM media WHERE video = ? AND kind = ? AND state <> 'superseded' ORDER BY sequence DESC, id DESC",
  );
  const insert = db.prepare(
    `INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, job, last_error)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const freshen = db.prepare(
    `UPDATE media SET event = ?, sequence = ?, url = ?, host = ?, deadline = ?, changes = ?, state = 'pending', job = ?,
       etag = ?, last_modified = ?, last_error = NULL WHERE id = ?`,
  );
  const freshenLink = db.prepare("UPDATE media SET url = ?, deadline = ? WHERE id = ?");
  const byId = db.prepare<[number], MediumRow>("SELECT * FROM media WHERE id = ?");
  const mirrored = db.prepare(
    `UPDATE media SET state = 'mirrored', key = ?, bytes = ?, sha256 = ?, content_type = ?, suspect = ?, etag = ?,
       last_modified = ?, last_error = NULL WHERE id = ?`,
  );
  const ended = db.prepare("UPDATE media SET state = ?, last_error = ? WHERE id = ?");
  const noteError = db.prepare("UPDATE media SET last_error = ? WHERE id = ?");
  const supersede = db.prepare("UPDATE media SET state = 'superseded', key = NULL WHERE id = ?");
  const keyUsed = db.prepare("SELECT 1 FROM media WHERE key = ? LIMIT 1");

  function add(planned: PlannedMedium, at: Announcement): number {
    const id = ids.next();
    const { refused } = planned;
    const job = refused === null ? jobs.addDownload({ ...at, medium: id, ...planned }) : null;
    const state = refused?.state ?? "pending";
    insert.run(
      id,
      at.video,
      planned.kind,
      at.event,
      at.sequence,
      planned.url,
      planned.host,
      planned.deadline,
      planned.refetch ? 1 : 0,
      state,
      job,
      refused?.reason ?? null,
    );
    return id;
  }

  /** Gives a row the newer link; its download starts over with a fresh budget of tries. */
  function renew(row: MediumRow, planned: PlannedMedium, at: Announcement): number {
    const same = identityOf(row.url) === planned.identity;
    if (row.job !== null) jobs.drop(row.job, at.now);
    const job = jobs.addDownload({ ...at, medium: row.id, ...planned });
    const changes = planned.refetch ? 1 : 0;
    // Validators speak of one link's file; they say nothing about another's.
    freshen.run(
      at.event,
      at.sequence,
      planned.url,
      planned.host,
      planned.deadline,
      changes,
      job,
      same ? row.etag : null,
      same ? row.last_modified : null,
      row.id,
    );
    return row.id;
  }

  function fileVideo(row: MediumRow, planned: PlannedMedium, at: Announcement): number {
    if (row.state === "mirrored") return row.id;
    // A running download goes on; should it fail, its next try uses the fresher link.
    if (jobs.isRunning(row.job)) freshenLink.run(planned.url, planned.deadline, row.id);
    else renew(row, planned, at);
    return row.id;
  }

  function fileThumbnail(
    rows: MediumRow[],
    same: MediumRow | undefined,
    planned: PlannedMedium,
    at: Announcement,
  ): number {
    const pending = rows.find((row) => row.state === "pending" && !jobs.isRunning(row.job));
    if (pending) return renew(pending, planned, at);
    if (same && jobs.isRunning(same.job)) {
      if (!planned.refetch && same.changes === 0) return same.id;
      return add(planned, at);
    }
    if (!same) return add(planned, at);
    if (same.state === "mirrored" && !planned.refetch && same.changes === 0) return same.id;
    return renew(same, planned, at);
  }

  return {
    /** The media row for a link of an event: an existing one, freshened, or a new one with its download. */
    file(planned: PlannedMedium, at: Announcement): number {
      const rows = at.videoIsNew ? [] : live.all(at.video, planned.kind);
      const same = rows.find((row) => identityOf(row.url) === planned.identity);
      if (planned.refused !== null) return same?.id ?? add(planned, at);
      if (planned.kind === "thumbnail") return fileThumbnail(rows, same, planned, at);
      return same ? fileVideo(same, planned, at) : add(planned, at);
    },

    /** A duplicate brings fresher links: media that are not mirrored yet take them. Nothing new is filed. */
    freshen(planned: PlannedMedium, video: number, now: number): void {
      if (planned.refused !== null) return;
      const row = live.all(video, planned.kind).find((each) => identityOf(each.url) === planned.identity);
      if (!row || row.state === "mirrored") return;
      if (jobs.isRunning(row.job)) freshenLink.run(planned.url, planned.deadline, row.id);
      else renew(row, planned, { event: row.event, video, videoIsNew: false, sequence: row.sequence, now });
    },

    byId: (id: number) => byId.get(id),

    /** Writes a download's outcome. Returns the keys whose copies nothing refers to any longer. */
    settle(id: number, outcome: DownloadOutcome): string[] {
      const row = byId.get(id);
      if (!row) return [];
      if (outcome.is === "retry") {
        noteError.run(outcome.error, id);
        return [];
      }
      if (outcome.is !== "mirrored") {
        // A refetch that fails leaves the copy that was there.
        ended.run(row.key === null ? outcome.is : "mirrored", outcome.error, id);
        return [];
      }
      const { copy } = outcome;
      mirrored.run(copy.key, copy.bytes, copy.sha256, copy.contentType, copy.suspect, copy.etag, copy.lastModified, id);
      const gone = row.key !== null && row.key !== copy.key ? [row.key] : [];
      if (row.kind === "thumbnail") {
        for (const older of live.all(row.video, "thumbnail")) {
          if (older.id === id || older.sequence > row.sequence || older.state !== "mirrored") continue;
          supersede.run(older.id);
          if (older.key !== null) gone.push(older.key);
        }
      }
      return gone.filter((key) => keyUsed.get(key) === undefined);
    },

    /** A thumbnail with a newer one mirrored, or on its way: there is no use for it any longer. */
    isOutdated(row: MediumRow): boolean {
      return (
        row.kind === "thumbnail" &&
        live
          .all(row.video, "thumbnail")
          .some((other) => other.sequence > row.sequence && (other.state === "mirrored" || other.state === "pending"))
      );
    },
    /** Ends an outdated row's download; a copy that it has already stays until the newer one is there. */
    giveUp(row: MediumRow): void {
      if (row.key === null) supersede.run(row.id);
      else ended.run("mirrored", null, row.id);
    },

    /** The mirrored copy of the very same link, for a conditional request. */
    previous(row: MediumRow): MediumRow | null {
      if (row.kind !== "thumbnail") return null;
      if (row.key !== null && (row.etag !== null || row.last_modified !== null)) return row;
      const identity = identityOf(row.url);
      return (
        live
          .all(row.video, "thumbnail")
          .find((other) => other.state === "mirrored" && other.key !== null && identityOf(other.url) === identity) ??
        null
      );
    },
  };
}

export type MediaRows = ReturnType<typeof createMediaRows>;
