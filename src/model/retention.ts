import { dayOf } from "./archive.ts";

/** How long bodies and attempts are kept after their end, in milliseconds. `archive`: where they are kept then; null: nowhere. */
export type Retention = { bodies: number; attempts: number; archive?: "target" | { dir: string } | null };

/** What is pruned: what has ended before these times, in milliseconds since 1970; with `archives` only what is archived. */
export type Expiry = { bodies: number; attempts: number; archives?: boolean };

/** With an archive, whole days expire (UTC): so that a day has few files. */
export function expiryAt(now: number, { bodies, attempts, archive = null }: Retention): Expiry {
  if (archive === null) return { bodies: now - bodies, attempts: now - attempts };
  return { bodies: dayOf(now - bodies), attempts: dayOf(now - attempts), archives: true };
}

/**
 * Rows that are pruned, and their content in bytes: `bodies` of events that stay, `autosaves` (events that go whole),
 * `duplicates` (the bodies of repeated events), `attempts`.
 */
export type Pruned = Record<"bodies" | "autosaves" | "duplicates" | "attempts", { rows: number; bytes: number }>;

/**
 * What a look at what has expired came to, at `at` (milliseconds since 1970): `pruned` rows, and then the bytes that the database
 * holds, without its free room, and that the copies of media have.
 */
export type StorageReading = { at: number; pruned: number; database: number; copies: number };

const DAY = 86_400_000;

/** Days of which the last reading is kept. */
const KEPT_DAYS = 15;

/** Readings with one more, the oldest first: of each day the last. One that is of later is of a clock that was wrong. */
export function withReading(readings: StorageReading[], reading: StorageReading): StorageReading[] {
  const day = (at: number) => Math.floor(at / DAY);
  const before = readings.filter(({ at }) => day(at) < day(reading.at));
  return [...before, reading].slice(-KEPT_DAYS);
}

export function nothingPruned(): Pruned {
  const none = () => ({ rows: 0, bytes: 0 });
  return { bodies: none(), autosaves: none(), duplicates: none(), attempts: none() };
}

export const prunedRows = (pruned: Pruned): number => Object.values(pruned).reduce((sum, { rows }) => sum + rows, 0);

export function addPruned(to: Pruned, more: Pruned): void {
  for (const kind of Object.keys(to) as (keyof Pruned)[]) {
    to[kind].rows += more[kind].rows;
    to[kind].bytes += more[kind].bytes;
  }
}
