import type { Delivery, LoggedAttempt } from "./delivery.ts";
import type { StoredEvent } from "./event.ts";
import type { Medium } from "./medium.ts";

/** The archive of what is pruned: a file (part) holds some of the events that were received on one day (UTC). */

/** Where a part lies: in a target, by the store's id of its place, or in a folder (absolute). */
export type ArchivePlace = { target: string } | { dir: string };

/** A file of the archive. `sha256` (hexadecimal) and `bytes` are of the file, `text` is its length unpacked. */
export type ArchiveFile = { sha256: string; bytes: number; text: number; events: number };

/** `day`: its first millisecond since 1970; `number`: from 1, within the day. */
export type ArchivePart = ArchiveFile & {
  id: string;
  day: number;
  number: number;
  place: ArchivePlace;
  key: string;
  /** When it was read back whole, in milliseconds since 1970. */
  madeAt: number;
};

/** What comes to an event any number of times. */
export type ArchivedRest = {
  duplicates: { receivedAt: number; sourceAddress: string; body: Uint8Array | null }[];
  deliveries: (Delivery & { attemptLog: LoggedAttempt[] })[];
  /** Where there is more of it; null: this was the last. */
  next: RestPlace | null;
};

/** Behind this repetition, and from this delivery on: numbers that only the store understands. */
export type RestPlace = { event: string; duplicate: number; delivery: number };

/**
 * An event as it is archived, with the first of what comes to it. `revision` grows with whatever may still come to it (attempts, repetitions): of several lines of
 * an event the highest is the newest.
 */
export type ArchivedEvent = ArchivedRest & {
  event: StoredEvent;
  revision: number;
  body: Uint8Array;
  media: Medium[];
};

/** What became of events that were to be restored: `present` have a body, `unknown` are not in this database. */
export type Restored = Record<"restored" | "present" | "unknown" | "erased", number>;

const DAY = 86_400_000;

/** The first millisecond of a time's day (UTC). */
export const dayOf = (time: number): number => Math.floor(time / DAY) * DAY;

/** "2026-11-30" */
export const nameOfDay = (day: number): string => new Date(day).toISOString().slice(0, 10);

/** The name of a part's file; `tag` makes it one that no other file has, and that cannot be guessed. */
export function nameOfPart({ day, number }: Pick<ArchivePart, "day" | "number">, tag: string): string {
  return `${nameOfDay(day)}.${number}-${tag}.jsonl.gz`;
}

/** Whether a file was made for this part, by its key. */
export const isFileOf = ({ day, number }: Pick<ArchivePart, "day" | "number">, key: string): boolean =>
  key.slice(key.lastIndexOf("/") + 1).startsWith(`${nameOfDay(day)}.${number}-`);

/** A target keeps parts below this; no id and no template makes such a key, and no media row has one: it is never served. */
export const ARCHIVE_FOLDER = "~archive";

/** The times of a day (UTC) as a name says it, `until` excluded; null: that is no day. */
export function readDay(name: string): { since: number; until: number } | null {
  const since = /^\d{4}-\d\d-\d\d$/.test(name) ? Date.parse(`${name}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(since) || nameOfDay(since) !== name ? null : { since, until: since + DAY };
}
