import type { DownloadOutcome, MediaKind, MediaState, Medium, PlannedMedium } from "../../domain.ts";
import { identityOf } from "../../links.ts";
import { type Ids, showId } from "./ids.ts";
import type { Sql } from "./sql.ts";

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
  due: number | null;
  attempts: number;
  claims: number;
  key: string | null;
  bytes: number | null;
  sha256: string | null;
  content_type: string | null;
  suspect: string | null;
  etag: string | null;
  last_modified: string | null;
  last_error: string | null;
};

/** What stands between SELECT and WHERE for a medium that is shown. */
export const SHOWN_MEDIUM = "m.*, v.video_id FROM media m JOIN videos v ON v.id = m.video";

export function toMedium(row: MediumRow & { video_id: string }): Medium {
  return {
    id: showId("med", row.id),
    videoId: row.video_id,
    kind: row.kind,
    eventId: showId("evt", row.event),
    state: row.state,
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

/** A first download's due time is its deadline moved by this much: always due, by deadline, before any repeated one. */
const FIRST_TRY = -100_000_000_000_000;

/** The event whose links are being filed. */
type Announcement = { event: number; video: number; videoIsNew: boolean; sequence: number };

/**
 * Media rows inside a transaction: which row a link belongs to, and what a finished download changes.
 *
 * A video link is a row for ever: announced again, it is the same file. A thumbnail is a place whose file changes: a
 * pending download takes the newer link over, a mirrored one is fetched again, and the newer copy supersedes the older.
 * One thumbnail of a video is downloaded at a time; a newer one waits for the older to end, however it ends.
 */
export function createMediaRows(db: Sql, ids: Ids) {
  const live = db.prepare<[number, string], MediumRow>(
    "SELECT * FROM media WHERE video = ? AND kind = ? AND state <> 'superseded' ORDER BY sequence DESC, id DESC",
  );
  const insert = db.prepare(
    `INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, due, last_error)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const restart = db.prepare(
    `UPDATE media SET event = ?, sequence = ?, url = ?, host = ?, deadline = ?, changes = ?, state = 'pending', due = ?,
       attempts = 0, etag = ?, last_modified = ?, last_error = NULL WHERE id = ?`,
  );
  const freshenLink = db.prepare("UPDATE media SET url = ?, deadline = ? WHERE id = ?");
  const byId = db.prepare<[number], MediumRow>("SELECT * FROM media WHERE id = ?");
  const mirrored = db.prepare(
    `UPDATE media SET state = 'mirrored', due = NULL, attempts = attempts + 1, key = ?, bytes = ?, sha256 = ?,
       content_type = ?, suspect = ?, etag = ?, last_modified = ?, last_error = NULL WHERE id = ?`,
  );
  const ended = db.prepare("UPDATE media SET state = ?, due = NULL, last_error = ? WHERE id = ?");
  const retried = db.prepare(
    "UPDATE media SET state = 'pending', due = ?, attempts = attempts + ?, last_error = ? WHERE id = ?",
  );
  const again = db.prepare("UPDATE media SET state = 'pending', due = ?, attempts = 0, last_error = ? WHERE id = ?");
  // It keeps its key, so that links to it can be answered with the copy that took its place.
  const supersede = db.prepare("UPDATE media SET state = 'superseded', due = NULL WHERE id = ?");
  const keyUsed = db.prepare("SELECT 1 FROM media WHERE key = ? AND state <> 'superseded' LIMIT 1");
  // It says twice what the state is not, because SQLite does not see that the index of live media serves it.
  const unblock = db.prepare(
    `UPDATE media SET due = ${FIRST_TRY} + deadline WHERE video = ? AND state <> 'superseded' AND kind = 'thumbnail' AND state = 'pending' AND due IS NULL`,
  );

  /** When a download may begin: at once, by its deadline, but never beside another one of its video's thumbnail. */
  function beginning(
    { video, kind, deadline }: Pick<MediumRow, "video" | "kind" | "deadline">,
    rows: MediumRow[],
  ): number | null {
    const blocked = kind === "thumbnail" && rows.some((row) => row.video === video && row.state === "running");
    return blocked ? null : FIRST_TRY + deadline;
  }

  function add(planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
    const id = ids.next();
    const { refused } = planned;
    const due = refused === null ? beginning({ ...planned, video: at.video }, rows) : null;
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
      refused?.state ?? "pending",
      due,
      refused?.reason ?? null,
    );
    return id;
  }

  /** Gives a row the newer link; its download starts over with a fresh budget of tries. */
  function renew(
    row: MediumRow,
    planned: PlannedMedium,
    at: Pick<Announcement, "event" | "sequence">,
    rows: MediumRow[],
  ): number {
    // Validators speak of one link's file; they say nothing about another's.
    const same = identityOf(row.url) === planned.identity;
    restart.run(
      at.event,
      at.sequence,
      planned.url,
      planned.host,
      planned.deadline,
      planned.refetch ? 1 : 0,
      beginning({ ...planned, video: row.video }, rows),
      same ? row.etag : null,
      same ? row.last_modified : null,
      row.id,
    );
    return row.id;
  }

  /** A running download goes on; should it fail, its next try uses the fresher link. */
  function freshen(
    row: MediumRow,
    planned: PlannedMedium,
    at: Pick<Announcement, "event" | "sequence">,
    rows: MediumRow[],
  ): number {
    if (row.state !== "running") return renew(row, planned, at, rows);
    freshenLink.run(planned.url, planned.deadline, row.id);
    return row.id;
  }

  function fileThumbnail(planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
    const pending = rows.find((row) => row.state === "pending");
    if (pending) return renew(pending, planned, at, rows);
    const same = rows.find((row) => identityOf(row.url) === planned.identity);
    if (!same) return add(planned, at, rows);
    const changes = planned.refetch || same.changes === 1;
    if (!changes && same.state === "mirrored") return same.id;
    if (!changes || same.state !== "running") return freshen(same, planned, at, rows);
    return add(planned, at, rows);
  }

  return {
    /** The media row for a link of an event: an existing one, freshened, or a new one. */
    file(planned: PlannedMedium, at: Announcement): number {
      const rows = at.videoIsNew ? [] : live.all(at.video, planned.kind);
      if (rows.length === 0) return add(planned, at, rows);
      const same = rows.find((row) => identityOf(row.url) === planned.identity);
      if (planned.refused !== null) return same?.id ?? add(planned, at, rows);
      if (planned.kind === "thumbnail") return fileThumbnail(planned, at, rows);
      if (same === undefined) return add(planned, at, rows);
      return same.state === "mirrored" ? same.id : freshen(same, planned, at, rows);
    },

    /** A duplicate brings fresher links: media that are not mirrored yet take them. Nothing new is filed. */
    freshen(planned: PlannedMedium, video: number): void {
      if (planned.refused !== null) return;
      const rows = live.all(video, planned.kind);
      const row = rows.find((each) => identityOf(each.url) === planned.identity);
      if (row && row.state !== "mirrored" && row.state !== "deleted") freshen(row, planned, row, rows);
    },

    byId: (id: number) => byId.get(id),
    beginning: (row: MediumRow) => beginning(row, live.all(row.video, row.kind)),

    /**
     * Writes the outcome of a download of `url`. Returns the keys whose copies nothing refers to any longer.
     * A failure says nothing of a fresher link that has come meanwhile: that one is tried at once, from attempt 0.
     */
    settle(row: MediumRow, url: string, outcome: DownloadOutcome): string[] {
      const gone: (string | null)[] = [];
      if (outcome.is !== "mirrored" && row.url !== url) {
        again.run(FIRST_TRY + row.deadline, outcome.error, row.id);
      } else if (outcome.is === "retry") {
        retried.run(outcome.at, outcome.own ? 0 : 1, outcome.error, row.id);
      } else if (outcome.is !== "mirrored") {
        // A refetch that fails leaves the copy that was there.
        ended.run(row.key === null ? outcome.is : "mirrored", outcome.error, row.id);
      } else {
        const { copy } = outcome;
        const { key, bytes, sha256, contentType, suspect, etag, lastModified } = copy;
        mirrored.run(key, bytes, sha256, contentType, suspect, etag, lastModified, row.id);
        gone.push(row.key);
        if (row.kind === "thumbnail") gone.push(...supersedeOlder(row));
      }
      if (row.kind === "thumbnail") unblock.run(row.video);
      return gone.filter((key) => key !== null && keyUsed.get(key) === undefined) as string[];
    },

    /** Ends an outdated row's download; a copy that it has already stays until the newer one is there. */
    giveUp(row: MediumRow): void {
      if (row.key === null) supersede.run(row.id);
      else ended.run("mirrored", null, row.id);
      unblock.run(row.video);
    },

    skip(row: MediumRow): void {
      ended.run(row.key === null ? "skipped" : "mirrored", "mirroring is off", row.id);
    },

    /** A thumbnail with a newer one mirrored, or on its way: there is no use for it any longer. */
    isOutdated(row: MediumRow): boolean {
      if (row.kind !== "thumbnail") return false;
      return live
        .all(row.video, "thumbnail")
        .some((other) => other.sequence > row.sequence && (other.state === "mirrored" || other.state === "pending"));
    },

    /** The mirrored copy of the very same link, for a conditional request. */
    previous(row: MediumRow): MediumRow | null {
      if (row.kind !== "thumbnail" || (row.changes === 0 && row.key === null)) return null;
      if (row.key !== null && (row.etag !== null || row.last_modified !== null)) return row;
      const identity = identityOf(row.url);
      const others = live.all(row.video, "thumbnail");
      return others.find((other) => other.state === "mirrored" && identityOf(other.url) === identity) ?? null;
    },
  };

  function supersedeOlder(row: MediumRow): (string | null)[] {
    const older = live
      .all(row.video, "thumbnail")
      .filter((other) => other.id !== row.id && other.sequence <= row.sequence && other.state === "mirrored");
    for (const { id } of older) supersede.run(id);
    return older.map(({ key }) => key);
  }
}

export type MediaRows = ReturnType<typeof createMediaRows>;
