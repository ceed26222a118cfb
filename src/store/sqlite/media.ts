import type { Copy, MediaKind, MediaState, Medium, PlannedMedium } from "../../domain.ts";
import { identityOf } from "../../links.ts";
import { isPartOnly } from "../../part-only.ts";
import { nextRisk } from "../../plan.ts";
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
  target: number | null;
  duration: number | null;
  spooled: string | null;
  linked_at: number;
  risk_at: number | null;
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
    target: row.target === null ? null : showId("tgt", row.target),
    key: row.key,
    sourceUrl: row.url,
    bytes: row.bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    deadline: row.deadline,
    lastError: row.last_error,
  };
}

/** The copy of a row that has one. */
export function copyOf(row: MediumRow): Copy {
  return {
    target: showId("tgt", row.target!),
    key: row.key!,
    bytes: row.bytes!,
    sha256: row.sha256!,
    contentType: row.content_type!,
    suspect: row.suspect,
    etag: row.etag,
    lastModified: row.last_modified,
  };
}

/** A first download's due time is its deadline moved by this much: always due, by deadline, before any repeated one. */
export const FIRST_TRY = -100_000_000_000_000;

/** The event whose links are being filed. */
type Announcement = { event: number; video: number; videoIsNew: boolean; sequence: number; receivedAt: number };

/**
 * Media rows inside a transaction: which row a link belongs to, and when its download may begin.
 *
 * A video link is a row for ever: announced again, it is the same file. A thumbnail is a place whose file changes: a
 * pending download takes the newer link over, a mirrored one is fetched again, and the newer copy supersedes the older.
 * One thumbnail of a video is downloaded at a time; a newer one waits for the older to end, however it ends. What is in
 * the spool is secured, and asks nothing more of its link.
 */
export function createMediaRows(db: Sql, ids: Ids) {
  const live = db.prepare<[number, string], MediumRow>(
    "SELECT * FROM media WHERE video = ? AND kind = ? AND state <> 'superseded' ORDER BY sequence DESC, id DESC",
  );
  const insert = db.prepare(
    `INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, due, last_error, duration,
       linked_at, risk_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const restart = db.prepare(
    `UPDATE media SET event = ?, sequence = ?, url = ?, host = ?, deadline = ?, changes = ?, state = 'pending', due = ?,
       attempts = 0, etag = ?, last_modified = ?, last_error = NULL, duration = ?, linked_at = ?, risk_at = ? WHERE id = ?`,
  );
  const takeLink = db.prepare("UPDATE media SET url = ?, deadline = ?, linked_at = ? WHERE id = ?");
  const freshenLink = db.prepare("UPDATE media SET url = ?, deadline = ?, linked_at = ?, risk_at = ? WHERE id = ?");
  const byId = db.prepare<[number], MediumRow>("SELECT * FROM media WHERE id = ?");

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
      planned.duration,
      at.receivedAt,
      refused === null ? riskAt(planned, at) : null,
    );
    return id;
  }

  /** Gives a row the newer link; its download starts over with a fresh budget of tries. */
  function renew(row: MediumRow, planned: PlannedMedium, at: Freshener, rows: MediumRow[]): number {
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
      planned.duration,
      at.receivedAt,
      // Where there is a copy already something is secured.
      row.key === null ? riskAt(planned, at) : null,
      row.id,
    );
    return row.id;
  }

  /** What is secured needs its link only if it is lost: then the freshest one is the best. */
  function keepLink(row: MediumRow, planned: PlannedMedium, at: Freshener): number {
    takeLink.run(planned.url, planned.deadline, at.receivedAt, row.id);
    return row.id;
  }

  /** A running download goes on; should it fail, its next try uses the fresher link. */
  function freshen(row: MediumRow, planned: PlannedMedium, at: Freshener, rows: MediumRow[]): number {
    if (row.spooled !== null) return keepLink(row, planned, at);
    if (row.state !== "running") return renew(row, planned, at, rows);
    freshenLink.run(planned.url, planned.deadline, at.receivedAt, riskAt(planned, at), row.id);
    return row.id;
  }

  function fileThumbnail(planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
    const pending = rows.find((row) => row.state === "pending" && row.spooled === null);
    if (pending) return renew(pending, planned, at, rows);
    const same = rows.find((row) => identityOf(row.url) === planned.identity);
    if (!same) return add(planned, at, rows);
    const changes = planned.refetch || same.changes === 1;
    if (!changes && isDone(same)) return keepLink(same, planned, at);
    const isUnderWay = same.state === "running" || same.spooled !== null;
    if (!changes || !isUnderWay) return freshen(same, planned, at, rows);
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
      return isDone(same) ? keepLink(same, planned, at) : freshen(same, planned, at, rows);
    },

    /** A duplicate brings fresher links: media that are not mirrored yet take them. Nothing new is filed. */
    freshen(planned: PlannedMedium, video: number, receivedAt: number): void {
      if (planned.refused !== null) return;
      const rows = live.all(video, planned.kind);
      const row = rows.find((each) => identityOf(each.url) === planned.identity);
      if (!row || row.state === "deleted") return;
      const at = { event: row.event, sequence: row.sequence, receivedAt };
      if (isDone(row)) keepLink(row, planned, at);
      else freshen(row, planned, at, rows);
    },

    byId: (id: number) => byId.get(id),
    live: (video: number, kind: MediaKind) => live.all(video, kind),
    beginning: (row: MediumRow) => beginning(row, live.all(row.video, row.kind)),

    /** The newer thumbnail that is mirrored, or on its way: there is no use for this one any longer. Null: there is none. */
    successor(row: MediumRow): MediumRow | null {
      if (row.kind !== "thumbnail") return null;
      const isNewer = (other: MediumRow) =>
        other.sequence > row.sequence && (other.state === "mirrored" || other.state === "pending");
      return live.all(row.video, "thumbnail").find(isNewer) ?? null;
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
}

/** Mirrored, and whole. */
const isDone = (row: MediumRow) => row.state === "mirrored" && !isPartOnly(row);

/** What a fresher link comes with. */
type Freshener = Pick<Announcement, "event" | "sequence" | "receivedAt">;

function riskAt({ deadline }: PlannedMedium, { receivedAt }: Freshener): number | null {
  return nextRisk({ linkedAt: receivedAt, deadline, now: receivedAt });
}

export type MediaRows = ReturnType<typeof createMediaRows>;
