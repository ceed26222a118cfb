import type { Copy, MediaKind, MediaState, Medium } from "../../../model/medium.ts";
import { MIRRORING_OFF } from "../../../rules/plan.ts";
import { identityOf } from "../../../wochit/link-identity.ts";
import type { Ids } from "../rows/ids.ts";
import { ofMany } from "../rows/many.ts";
import { sql, type Tx } from "../tx.ts";

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
  announced_at: number;
  first_tried_at: number | null;
  secured_at: number | null;
  settled_at: number | null;
};

/** What stands between SELECT and WHERE for a medium that is shown. */
export const SHOWN_MEDIUM = "m.*, v.video_id FROM media m JOIN videos v ON v.id = m.video";

export function toMedium(ids: Ids, row: MediumRow & { video_id: string }): Medium {
  return {
    id: ids.show("med", row.id),
    videoId: row.video_id,
    kind: row.kind,
    eventId: ids.show("evt", row.event),
    state: row.state,
    suspect: row.suspect,
    target: row.target === null ? null : ids.show("tgt", row.target),
    key: row.key,
    sourceUrl: row.url,
    bytes: row.bytes,
    sha256: row.sha256,
    contentType: row.content_type,
    deadline: row.deadline,
    attempts: row.attempts,
    // A first one's due time is no time: it is due at once.
    nextAttemptAt: row.state === "pending" && row.due !== null && row.due > 0 ? row.due : null,
    lastError: row.last_error,
    firstTriedAt: row.first_tried_at,
    securedAt: row.secured_at,
    settledAt: row.settled_at,
  };
}

/** The copy of a row that has one. */
export function copyOf(ids: Ids, row: MediumRow): Copy {
  return {
    target: ids.show("tgt", row.target!),
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

// Media rows: which there are, and when their downloads may begin.
//
// One thumbnail of a video is downloaded at a time; the others wait for it to end, however it ends. What is in the spool is
// secured, and asks nothing more of its link.

const LIVE = sql<[number, string], MediumRow>(
  "SELECT * FROM media WHERE video = ? AND kind = ? AND state <> 'superseded' ORDER BY sequence DESC, id DESC",
  ["int8", "text"],
);
const BY_ID = sql<[number], MediumRow>("SELECT * FROM media WHERE id = ?");
const ROWS = ofMany<MediumRow>((ids) => `SELECT * FROM media WHERE id IN (${ids})`);

/** When a download may begin: at once, by its deadline, but never beside another one of its video's thumbnail. */
export function firstDue(
  { video, kind, deadline }: Pick<MediumRow, "video" | "kind" | "deadline">,
  rows: MediumRow[],
): number | null {
  const blocked = kind === "thumbnail" && rows.some((row) => row.video === video && row.state === "running");
  return blocked ? null : FIRST_TRY + deadline;
}

export const byId = (tx: Tx, id: number) => tx.get(BY_ID, [id]);

/** The rows of these ids, by them, as far as there are such. */
export async function byIds(tx: Tx, ids: number[]): Promise<Map<number, MediumRow>> {
  return new Map((await ROWS.all(tx, ids)).map((row) => [row.id, row]));
}

/** Of a video and kind, those that are not superseded, the newest first. */
export const live = (tx: Tx, video: number, kind: MediaKind) => tx.all(LIVE, [video, kind]);

export const beginning = async (tx: Tx, row: MediumRow) => firstDue(row, await live(tx, row.video, row.kind));

/** Whether another thumbnail of the video is being downloaded. */
export const isBlocked = async (tx: Tx, row: MediumRow) =>
  row.kind === "thumbnail" &&
  (await live(tx, row.video, row.kind)).some((other) => other.id !== row.id && other.state === "running");

/** The newer thumbnail that has a copy, or is in the spool: there is no use for this one any longer. Null: there is none. */
export async function successor(tx: Tx, row: MediumRow): Promise<MediumRow | null> {
  if (row.kind !== "thumbnail") return null;
  const isNewer = (other: MediumRow) => other.sequence > row.sequence && (other.key !== null || other.spooled !== null);
  return (await live(tx, row.video, "thumbnail")).find(isNewer) ?? null;
}

/**
 * The medium that stands for those of its video that were superseded, among live ones, the newest first: one that is
 * mirrored, else the nearest to it.
 */
export function presentOf<Row extends Pick<MediumRow, "state" | "spooled">>(rows: Row[]): Row | undefined {
  return rows.find(isMirrored) ?? rows.find(isSpooled) ?? rows.find(isOnItsWay) ?? rows[0];
}

/** The medium that stands for this one: for a superseded thumbnail the one that took its place, or is about to; else itself. */
export async function speaker(tx: Tx, row: MediumRow): Promise<MediumRow> {
  if (row.state !== "superseded") return row;
  return presentOf(await live(tx, row.video, row.kind)) ?? row;
}

/** The mirrored copy of the very same link, for a conditional request. */
export async function previous(tx: Tx, row: MediumRow): Promise<MediumRow | null> {
  if (row.kind !== "thumbnail" || (row.changes === 0 && row.key === null)) return null;
  if (row.key !== null && (row.etag !== null || row.last_modified !== null)) return row;
  const identity = identityOf(row.url);
  const others = await live(tx, row.video, "thumbnail");
  return others.find((other) => other.state === "mirrored" && identityOf(other.url) === identity) ?? null;
}

const isMirrored = ({ state }: Pick<MediumRow, "state">) => state === "mirrored";
const isSpooled = ({ spooled }: Pick<MediumRow, "spooled">) => spooled !== null;

export function isOnItsWay({ state }: Pick<MediumRow, "state">): boolean {
  return state === "pending" || state === "running";
}

/** Its download was skipped because mirroring is off; a copy that it has stays meanwhile. */
export function waitsForMirroring({ state, last_error }: Pick<MediumRow, "state" | "last_error">): boolean {
  return (state === "skipped" || state === "mirrored") && last_error === MIRRORING_OFF;
}
