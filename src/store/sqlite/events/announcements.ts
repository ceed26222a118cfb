import type { MediaState, PlannedMedium } from "../../../model/medium.ts";
import { nextRisk } from "../../../rules/at-risk.ts";
import { isPartOnly } from "../../../rules/part-only.ts";
import { MIRRORING_OFF } from "../../../rules/plan.ts";
import { identityOf } from "../../../wochit/link-identity.ts";
import { isOnItsWay, type MediaRows, type MediumRow } from "../media/rows.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";

/** Thumbnails of one video that are on their way at most: with one more the oldest gives way. */
const THUMBNAILS_UNDER_WAY = 3;

/** The event whose links are being filed. */
type Announcement = {
  event: number;
  video: number;
  videoIsNew: boolean;
  sequence: number;
  receivedAt: number;
  now: number;
};

/** What a link comes with. `announcedAt`: 0 for one of a duplicate, which announces nothing. */
type Bringer = Pick<Announcement, "event" | "sequence" | "receivedAt" | "now"> & { announcedAt: number };

/** The link that a row goes on with. `isLater`: its deadline is later than that of the row's own. */
type Link = Pick<MediumRow, "url" | "host" | "deadline" | "linked_at"> & { isLater: boolean };

/**
 * Files the links of events, inside a transaction: which media row a link belongs to, and what becomes of it (CONTRACT,
 * "Media").
 *
 * A video link is a row for ever: announced again, it is the same file. A thumbnail is a place whose file changes: each of
 * its links is a row, the newest of which supersedes the older ones once it has a copy.
 */
export function createAnnouncements(db: Sql, ids: Ids, media: MediaRows) {
  const insert = db.prepare(
    `INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, due, last_error, duration,
       linked_at, risk_at, announced_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const restart = db.prepare(
    `UPDATE media SET event = ?, sequence = ?, url = ?, host = ?, deadline = ?, changes = ?, state = 'pending', due = ?,
       attempts = 0, etag = ?, last_modified = ?, last_error = NULL, duration = ?, linked_at = ?, risk_at = ?,
       announced_at = max(announced_at, ?) WHERE id = ?`,
  );
  const noteFresher = db.prepare("UPDATE media SET spooled = json_set(spooled, '$.fresherLink', 1) WHERE id = ?");
  const setLink = db.prepare(
    `UPDATE media SET url = ?, deadline = ?, linked_at = ?, risk_at = ?, announced_at = max(announced_at, ?) WHERE id = ?`,
  );
  const setEvent = db.prepare("UPDATE media SET event = ?, sequence = ? WHERE id = ?");
  const skip = db.prepare(
    `UPDATE media SET state = iif(state = 'mirrored', state, 'skipped'), last_error = '${MIRRORING_OFF}' WHERE id = ?`,
  );
  const setChanges = db.prepare("UPDATE media SET changes = 1 WHERE id = ?");

  function add(
    planned: PlannedMedium,
    at: Announcement,
    rows: MediumRow[],
    end: { state: MediaState; reason: string } | null = planned.refused,
  ): number {
    const id = ids.next();
    const due = end === null ? media.firstDue({ ...planned, video: at.video }, rows) : null;
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
      end?.state ?? "pending",
      due,
      end?.reason ?? null,
      planned.duration,
      at.receivedAt,
      end === null ? nextRisk({ linkedAt: at.receivedAt, deadline: planned.deadline, now: at.receivedAt }) : null,
      at.receivedAt,
    );
    return id;
  }

  /** Gives a row the link; its download starts over with a fresh budget of tries. */
  function renew(row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): number {
    const link = linkOf(row, planned, by);
    // Validators speak of one link's file; they say nothing about another's.
    const same = identityOf(row.url) === planned.identity;
    restart.run(
      by.event,
      by.sequence,
      link.url,
      link.host,
      link.deadline,
      planned.refetch ? 1 : 0,
      media.firstDue({ kind: row.kind, video: row.video, deadline: link.deadline }, rows),
      same ? row.etag : null,
      same ? row.last_modified : null,
      planned.duration,
      link.linked_at,
      riskOf(row, link, by),
      by.announcedAt,
      row.id,
    );
    return row.id;
  }

  /** Remembers the link, for when it is needed: what is under way or secured goes on. */
  function keepLink(row: MediumRow, planned: PlannedMedium, by: Bringer): number {
    const link = linkOf(row, planned, by);
    const isUnderWay = row.state === "running" && row.spooled === null;
    if (link.isLater && row.spooled !== null && isPartOnly(JSON.parse(row.spooled))) noteFresher.run(row.id);
    setLink.run(
      link.url,
      link.deadline,
      link.linked_at,
      isUnderWay ? riskOf(row, link, by) : row.risk_at,
      by.announcedAt,
      row.id,
    );
    return row.id;
  }

  function freshen(row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): number {
    const goesOn = row.spooled !== null || row.state === "running" || isDone(row);
    return goesOn ? keepLink(row, planned, by) : renew(row, planned, by, rows);
  }

  /** A link that comes while mirroring is off: what would be downloaded by it is when mirroring is on again. */
  function remember(row: MediumRow, planned: PlannedMedium, by: Bringer): void {
    keepLink(row, planned, by);
    if (["failed", "expired", "deleted"].includes(row.state) || isMirroredInPart(row)) skip.run(row.id);
  }

  /** The same for a link that announces the file. A picture that changes in place is fetched anew, also where it has a copy. */
  function announceOff(planned: PlannedMedium, at: Announcement, same: MediumRow): number {
    const changes = planned.kind === "thumbnail" && (planned.refetch || same.changes === 1);
    if (changes && same.spooled !== null) return add(planned, at, []);
    remember(same, planned, announcing(at));
    if (changes) setChanges.run(same.id);
    if (changes && same.state === "mirrored") skip.run(same.id);
    return makeNewest(same.id, announcing(at));
  }

  /** Announced again, it is the newest of its video again, whatever came in between. */
  function makeNewest(id: number, by: Bringer): number {
    setEvent.run(by.event, by.sequence, id);
    return id;
  }

  function addThumbnail(planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
    const underWay = rows.filter((row) => isOnItsWay(row) && row.spooled === null);
    const eldest = underWay.findLast((row) => row.state === "pending" && row.key === null);
    if (underWay.length < THUMBNAILS_UNDER_WAY || eldest === undefined) return add(planned, at, rows);
    return renew(eldest, planned, announcing(at), rows);
  }

  function fileThumbnail(planned: PlannedMedium, at: Announcement, rows: MediumRow[], same?: MediumRow): number {
    if (same === undefined) return addThumbnail(planned, at, rows);
    const by = announcing(at);
    if (same.state === "pending" && same.spooled === null) return renew(same, planned, by, rows);
    const changes = planned.refetch || same.changes === 1;
    if (changes && (same.state === "running" || same.spooled !== null)) return addThumbnail(planned, at, rows);
    if (changes && same.state === "mirrored") return renew(same, planned, by, rows);
    return makeNewest(freshen(same, planned, by, rows), by);
  }

  /** A thumbnail of which a newer one was received: that one is not replaced. */
  function fileLate(planned: PlannedMedium, at: Announcement, rows: MediumRow[], same?: MediumRow): number {
    if (same === undefined) return add(planned, at, rows, { state: "superseded", reason: "a newer one was received" });
    bring(same, planned, { ...at, event: same.event, sequence: same.sequence, announcedAt: 0 }, rows);
    return same.id;
  }

  /** A link of the row's own file, of an event that is not the newest to announce it. */
  function bring(row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): void {
    if (planned.refused === null) freshen(row, planned, by, rows);
    else if (planned.refused.state === "skipped") remember(row, planned, by);
  }

  return {
    /** The media row for a link of an event: an existing one, with the better link, or a new one. */
    file(planned: PlannedMedium, at: Announcement): number {
      const rows = at.videoIsNew ? [] : media.live(at.video, planned.kind);
      const same = rows.find((row) => identityOf(row.url) === planned.identity);
      const isThumbnail = planned.kind === "thumbnail";
      if (isThumbnail && rows.some((row) => wasAnnouncedSince(row, at))) return fileLate(planned, at, rows, same);
      if (planned.refused !== null) {
        if (same === undefined) return add(planned, at, rows);
        if (planned.refused.state === "failed") return same.id;
        return announceOff(planned, at, same);
      }
      if (isThumbnail) return fileThumbnail(planned, at, rows, same);
      return same === undefined ? add(planned, at, rows) : freshen(same, planned, announcing(at), rows);
    },

    /** A duplicate brings fresher links: media that are not mirrored yet take them. Nothing new is filed. */
    freshen(planned: PlannedMedium, video: number, { receivedAt, now }: { receivedAt: number; now: number }): void {
      const rows = media.live(video, planned.kind);
      const row = rows.find((each) => identityOf(each.url) === planned.identity);
      if (!row || row.state === "deleted") return;
      bring(row, planned, { event: row.event, sequence: row.sequence, receivedAt, now, announcedAt: 0 }, rows);
    },
  };
}

/** Whether an event that was received later announced this medium. A time to come is a mistake of the clock. */
export function wasAnnouncedSince(row: MediumRow, { receivedAt, now }: { receivedAt: number; now: number }): boolean {
  return row.announced_at > receivedAt && row.announced_at <= now;
}

function announcing(at: Announcement): Bringer {
  return { ...at, announcedAt: at.receivedAt };
}

/** Of two links of the same file the one whose deadline is later; of equal ones the newer. */
function linkOf(row: MediumRow, planned: PlannedMedium, { receivedAt }: Bringer): Link {
  const isSame = identityOf(row.url) === planned.identity;
  if (isSame && planned.deadline < row.deadline) return { ...row, isLater: false };
  const { url, host, deadline } = planned;
  return { url, host, deadline, linked_at: receivedAt, isLater: !isSame || deadline > row.deadline };
}

/** Where there is a copy already something is secured. */
function riskOf(row: MediumRow, link: Link, { receivedAt, now }: Bringer): number | null {
  if (row.key !== null) return null;
  return nextRisk({ linkedAt: link.linked_at, deadline: link.deadline, now: link.isLater ? receivedAt : now });
}

/** Whether a link came while part of the file, all that the one before gave, was on its way into the target. */
export function hasFresherLink({ spooled }: Pick<MediumRow, "spooled">): boolean {
  return (JSON.parse(spooled ?? "{}") as { fresherLink?: 1 }).fresherLink === 1;
}

/** Mirrored, and whole. */
function isDone(row: MediumRow): boolean {
  return row.state === "mirrored" && !isPartOnly(row);
}

function isMirroredInPart(row: MediumRow): boolean {
  return row.state === "mirrored" && isPartOnly(row);
}

export type Announcements = ReturnType<typeof createAnnouncements>;
