import { LIMIT } from "../core/rows/numbers.ts";
import { type Job, sql } from "../core/tx.ts";
import { LOCK } from "./schema/locks.ts";
import { toQuery } from "./statements.ts";
import type { Query } from "./wire/connection.ts";

// What a transaction locks before its jobs begin. All of them ask in one order, so that no two wait for each other in a circle:
// first for some videos or for all, then for what is apart, then for videos, and then for endpoints, by their names. Later they wait for nothing
// that another one may have: what is in other hands is left out.

/**
 * What the jobs of one transaction are about. `videos`: each about one; `several`: about some, whose names it has read; `claims`:
 * each about the deliveries to one endpoint; `media`: work on media; `apart`: about rows that no other kind writes, and videos that
 * it holds; `all`: about more than that, while no other transaction runs.
 */
export type Kind = "videos" | "several" | "claims" | "media" | "apart" | "all";

export function kindOf({ key, only, videos }: Job<unknown>): Kind {
  if (key !== null) return "videos";
  if (videos !== undefined) return "several";
  if (only === undefined) return "all";
  if ("claims" in only) return only.claims;
  return "claim" in only ? "claims" : "apart";
}

/** Jobs of one lane run one after the other. A job of a lane of its own is about other rows than those of the others. */
export function laneOf({ key, only }: Job<unknown>): string {
  return key ?? (only !== undefined && "claim" in only ? only.claim : "");
}

// Not a lock of a table: VACUUM would wait for that, and keep others waiting.
const SOME = sql<[]>(`SELECT pg_advisory_xact_lock_shared(${LOCK.all}, 0)`);
// What comes after one that waits, waits too: so it does so for a moment, and then lets others go first.
const ALL = sql<[]>(`SELECT set_config('lock_timeout', '1s', true), pg_advisory_xact_lock(${LOCK.all}, 0)`);
const TABLE = sql<[string]>(`SELECT pg_advisory_xact_lock(${LOCK.apart}, hashtext(?))`);
const VIDEOS = sql<[string]>("SELECT hold_videos(CAST(? AS text[]))");
// Who judges an answer of an endpoint writes its row: of a failure, or where there was one. The first failure of two endpoints may
// be judged by two at once: their rows are made in this order, too.
const NEW_ANSWERS = sql<[string]>("INSERT INTO endpoints (id) SELECT unnest(CAST(? AS text[])) ON CONFLICT DO NOTHING");
const ANSWERS = sql<[string, string]>(
  `SELECT id FROM endpoints WHERE id = ANY(CAST(? AS text[]))
     AND (id = ANY(CAST(? AS text[])) OR health IS NOT NULL OR gone <> 0 OR probing IS NOT NULL) ORDER BY id FOR UPDATE`,
);
const FREE_ANSWERS = sql<[string]>("SELECT id FROM endpoints WHERE id = ? FOR UPDATE SKIP LOCKED");
// Claims of deliveries to it, or ("") of work on media, come one after the other.
const ENDPOINT = sql<[string], { isHeld: number }>(
  `SELECT CASE WHEN pg_try_advisory_xact_lock(${LOCK.endpoint}, hashtext(?)) THEN 1 ELSE 0 END AS "isHeld"`,
);
// What another store is at is left out: a claim waits for no video.
const FREE_VIDEOS = sql<[string], { id: number }>(
  "SELECT id FROM videos WHERE id = ANY(CAST(? AS int8[])) ORDER BY id FOR UPDATE SKIP LOCKED",
);

// Of the transactions under way, by the lock that each takes on its first id before any greater one is given out.
const UNDER_WAY = sql<[number], { id: number }>(
  `SELECT coalesce(min((classid::int8 << 32) | objid::int8), ?) AS id FROM pg_locks
   WHERE locktype = 'advisory' AND objsubid = 1
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
);

/** What the jobs of a transaction are locked by, in this order; those about several videos before the videos' names are read. */
export function locksOf(kind: Kind, jobs: Job<unknown>[]): Query[] {
  if (kind === "all") return [toQuery(ALL, [])];
  const some = toQuery(SOME, []);
  if (kind === "videos") {
    const locks = [some, lockVideos(jobs.map(({ key }) => key!))];
    const judged = jobs.flatMap(({ judges }) => judges ?? []);
    if (judged.length === 0) return locks;
    const [all, failing] = [judged, judged.filter(({ fails }) => fails)].map((some) =>
      listed(some.map((one) => one.endpoint)),
    );
    const made = judged.some(({ fails }) => fails) ? [toQuery(NEW_ANSWERS, [failing!])] : [];
    return [...locks, ...made, toQuery(ANSWERS, [all!, failing!])];
  }
  if (kind === "apart" || kind === "several") {
    const tables = new Set(jobs.flatMap(({ only }) => (only === undefined ? [] : (only as { table: string }).table)));
    return [some, ...[...tables].sort().map((table) => toQuery(TABLE, [table]))];
  }
  return [some];
}

/** Waits until no other transaction is at these videos. */
export const lockVideos = (names: string[]): Query => toQuery(VIDEOS, [listed(names)]);

/** An array, each of these once, in their order. */
const listed = (texts: string[]) => `{${[...new Set(texts)].sort().map(quoted).join()}}`;
const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** Whether claims of this lane are held: no other transaction claims any until this one ends. */
export const holdEndpoint = (endpoint: string): Query => toQuery(ENDPOINT, [endpoint]);

export const holdAnswers = (endpoint: string): Query => toQuery(FREE_ANSWERS, [endpoint]);

export const holdVideos = (videos: number[]): Query => toQuery(FREE_VIDEOS, [`{${videos.join()}}`]);

/** As `Tx.horizon`. */
export const horizon = (): Query => toQuery(UNDER_WAY, [LIMIT + 1]);
