import type { MediaState, PlannedMedium } from "../../../model/medium.ts";
import { nextRisk } from "../../../rules/at-risk.ts";
import { isPartOnly } from "../../../rules/part-only.ts";
import { MIRRORING_OFF } from "../../../rules/plan.ts";
import { identityOf } from "../../../wochit/link-identity.ts";
import * as media from "../media/rows.ts";
import { isOnItsWay, type MediumRow } from "../media/rows.ts";
import { insert, sql, type Tx, update } from "../tx.ts";

/** The most thumbnails of one video that are on their way: with one more the oldest takes the new link. */
const THUMBNAILS_UNDER_WAY = 3;

/** The event whose links are being filed. */
type Announcement = {
  event: number;
  video: number;
  sequence: number;
  receivedAt: number;
  now: number;
};

/** What a link comes with. `announcedAt`: 0 for one of a duplicate, which announces nothing. */
type Bringer = Pick<Announcement, "event" | "sequence" | "receivedAt" | "now"> & { announcedAt: number };

/** The link that a row goes on with. `isLater`: its deadline is later than that of the row's own. */
type Link = Pick<MediumRow, "url" | "host" | "deadline" | "linked_at"> & { isLater: boolean };

// Files the links of events: which media row a link belongs to, and what becomes of it (CONTRACT,
// "Media").
//
// A video link is a row for ever: announced again, it is the same file. A thumbnail is a place whose file changes: each of
// its links is a row, the newest of which supersedes the older ones once it has a copy.

const insertMedium = insert("media", [
  ...(["id", "video", "kind", "event", "sequence", "url", "host", "deadline", "changes", "state", "due"] as const),
  ...(["last_error", "duration", "linked_at", "risk_at", "announced_at", "settled_at"] as const),
]);
const restart = update("media", [
  ...(["event", "sequence", "url", "host", "deadline", "changes", "state", "due", "attempts", "etag"] as const),
  ...(["last_modified", "last_error", "duration", "linked_at", "risk_at", "announced_at"] as const),
  ...(["secured_at", "settled_at"] as const),
]);
const setLink = update("media", ["url", "deadline", "linked_at", "risk_at", "announced_at"]);
const setSpooled = update("media", ["spooled"]);
const setEvent = update("media", ["event", "sequence"]);
const SKIP = sql<[number]>(
  `UPDATE media SET state = CASE state WHEN 'mirrored' THEN state ELSE 'skipped' END, last_error = '${MIRRORING_OFF}'
   WHERE id = ?`,
);
const SET_CHANGES = sql<[number]>("UPDATE media SET changes = 1 WHERE id = ?");

function add(
  tx: Tx,
  planned: PlannedMedium,
  at: Announcement,
  rows: MediumRow[],
  end: { state: MediaState; reason: string } | null = planned.refused,
): number {
  const id = tx.ids.next();
  const due = end === null ? media.firstDue({ ...planned, video: at.video }, rows) : null;
  const { kind, url, host, deadline, duration } = planned;
  const { event, video, sequence, receivedAt } = at;
  if (end !== null) tx.count(`${kind}/${end.state}`, 1);
  insertMedium(tx, {
    id,
    video,
    kind,
    event,
    sequence,
    url,
    host,
    deadline,
    changes: planned.refetch ? 1 : 0,
    state: end?.state ?? "pending",
    due,
    last_error: end?.reason ?? null,
    duration,
    linked_at: receivedAt,
    risk_at: end === null ? nextRisk({ linkedAt: receivedAt, deadline, now: receivedAt }) : null,
    announced_at: receivedAt,
    settled_at: end === null ? null : at.now,
  });
  return id;
}

/** Gives a row the link; its download starts over with a fresh budget of tries. */
function renew(tx: Tx, row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): number {
  const link = linkOf(row, planned, by);
  // Validators hold for the file of one link only.
  const same = identityOf(row.url) === planned.identity;
  const { url, host, deadline, linked_at } = link;
  restart(tx, row.id, {
    event: by.event,
    sequence: by.sequence,
    url,
    host,
    deadline,
    linked_at,
    duration: planned.duration,
    changes: planned.refetch ? 1 : 0,
    state: "pending",
    due: media.firstDue({ kind: row.kind, video: row.video, deadline }, rows),
    attempts: 0,
    etag: same ? row.etag : null,
    last_modified: same ? row.last_modified : null,
    last_error: null,
    risk_at: riskOf(row, link, by),
    announced_at: Math.max(row.announced_at, by.announcedAt),
    secured_at: null,
    settled_at: null,
  });
  return row.id;
}

/** Remembers the link, for when it is needed: what is under way or secured goes on. */
function keepLink(tx: Tx, row: MediumRow, planned: PlannedMedium, by: Bringer): number {
  const link = linkOf(row, planned, by);
  const isUnderWay = row.state === "running" && row.spooled === null;
  const spooled = row.spooled === null ? null : JSON.parse(row.spooled);
  if (link.isLater && spooled !== null && isPartOnly(spooled)) {
    setSpooled(tx, row.id, { spooled: JSON.stringify({ ...spooled, fresherLink: 1 }) });
  }
  const { url, deadline, linked_at } = link;
  const risk_at = isUnderWay ? riskOf(row, link, by) : row.risk_at;
  const announced_at = Math.max(row.announced_at, by.announcedAt);
  setLink(tx, row.id, { url, deadline, linked_at, risk_at, announced_at });
  return row.id;
}

function takeLink(tx: Tx, row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): number {
  const goesOn = row.spooled !== null || row.state === "running" || isDone(row);
  return goesOn ? keepLink(tx, row, planned, by) : renew(tx, row, planned, by, rows);
}

/** A link that comes while mirroring is off: what would be downloaded by it is when mirroring is on again. */
function remember(tx: Tx, row: MediumRow, planned: PlannedMedium, by: Bringer): void {
  keepLink(tx, row, planned, by);
  if (["failed", "expired", "deleted"].includes(row.state) || isMirroredInPart(row)) tx.write(SKIP, [row.id]);
}

/** The same for a link that announces the file. A picture that changes in place is fetched anew, also where it has a copy. */
function announceOff(tx: Tx, planned: PlannedMedium, at: Announcement, same: MediumRow): number {
  const changes = planned.kind === "thumbnail" && (planned.refetch || same.changes === 1);
  if (changes && same.spooled !== null) return add(tx, planned, at, []);
  remember(tx, same, planned, announcing(at));
  if (changes) tx.write(SET_CHANGES, [same.id]);
  if (changes && same.state === "mirrored") tx.write(SKIP, [same.id]);
  return makeNewest(tx, same.id, announcing(at));
}

/** Announced again, it is the newest of its video again, whatever came in between. */
function makeNewest(tx: Tx, id: number, by: Bringer): number {
  setEvent(tx, id, { event: by.event, sequence: by.sequence });
  return id;
}

function addThumbnail(tx: Tx, planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
  const underWay = rows.filter((row) => isOnItsWay(row) && row.spooled === null);
  const eldest = underWay.findLast((row) => row.state === "pending" && row.key === null);
  if (underWay.length < THUMBNAILS_UNDER_WAY || eldest === undefined) return add(tx, planned, at, rows);
  return renew(tx, eldest, planned, announcing(at), rows);
}

function fileThumbnail(tx: Tx, planned: PlannedMedium, at: Announcement, rows: MediumRow[], same?: MediumRow): number {
  if (same === undefined) return addThumbnail(tx, planned, at, rows);
  const by = announcing(at);
  if (same.state === "pending" && same.spooled === null) return renew(tx, same, planned, by, rows);
  const changes = planned.refetch || same.changes === 1;
  if (changes && (same.state === "running" || same.spooled !== null)) return addThumbnail(tx, planned, at, rows);
  if (changes && same.state === "mirrored") return renew(tx, same, planned, by, rows);
  return makeNewest(tx, takeLink(tx, same, planned, by, rows), by);
}

/** A thumbnail of which a newer one was received: that one is not replaced. */
function fileLate(tx: Tx, planned: PlannedMedium, at: Announcement, rows: MediumRow[], same?: MediumRow): number {
  if (same === undefined)
    return add(tx, planned, at, rows, { state: "superseded", reason: "a newer one was received" });
  bring(tx, same, planned, { ...at, event: same.event, sequence: same.sequence, announcedAt: 0 }, rows);
  return same.id;
}

/** A link of the row's own file, of an event that is not the newest to announce it. */
function bring(tx: Tx, row: MediumRow, planned: PlannedMedium, by: Bringer, rows: MediumRow[]): void {
  if (planned.refused === null) takeLink(tx, row, planned, by, rows);
  else if (planned.refused.state === "skipped") remember(tx, row, planned, by);
}

/** The media row for a link of an event: one of the video's live ones of its kind (`rows`), with the better link, or a new one. */
export function file(tx: Tx, planned: PlannedMedium, at: Announcement, rows: MediumRow[]): number {
  const same = rows.find((row) => identityOf(row.url) === planned.identity);
  const isThumbnail = planned.kind === "thumbnail";
  if (isThumbnail && rows.some((row) => wasAnnouncedSince(row, at))) return fileLate(tx, planned, at, rows, same);
  if (planned.refused !== null) {
    if (same === undefined) return add(tx, planned, at, rows);
    if (planned.refused.state === "failed") return same.id;
    return announceOff(tx, planned, at, same);
  }
  if (isThumbnail) return fileThumbnail(tx, planned, at, rows, same);
  return same === undefined ? add(tx, planned, at, rows) : takeLink(tx, same, planned, announcing(at), rows);
}

/** A duplicate brings fresher links: media that are not mirrored yet take them. Nothing new is filed. */
export async function freshenRepeated(
  tx: Tx,
  planned: PlannedMedium,
  video: number,
  { receivedAt, now }: { receivedAt: number; now: number },
): Promise<void> {
  const rows = await media.live(tx, video, planned.kind);
  const row = rows.find((each) => identityOf(each.url) === planned.identity);
  if (!row || row.state === "deleted") return;
  bring(tx, row, planned, { event: row.event, sequence: row.sequence, receivedAt, now, announcedAt: 0 }, rows);
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
