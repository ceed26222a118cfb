import { LIMIT } from "../core/rows/numbers.ts";
import { type Job, type Statement, sql } from "../core/tx.ts";
import { toQuery } from "./statements.ts";
import type { Query } from "./wire/connection.ts";

// What a transaction locks before its jobs begin. Transactions that could wait for each other ask in one order: first one of
// these, then rows.

/**
 * What the jobs of one transaction are about. `videos`: each about one; `claims`: each about the deliveries to one endpoint;
 * `media`: claims of work on media; `apart`: about rows that no other kind writes; `all`: about more than that, while no other
 * transaction changes a video.
 */
export type Kind = "videos" | "claims" | "media" | "apart" | "all";

export function kindOf({ key, only }: Job<unknown>): Kind {
  if (key !== null) return "videos";
  if (only === undefined) return "all";
  if ("claims" in only) return only.claims;
  return "claim" in only ? "claims" : "apart";
}

/** Jobs of one lane run one after the other. A job of a lane of its own is about other rows than those of the others. */
export function laneOf({ key, only }: Job<unknown>): string {
  return key ?? (only !== undefined && "claim" in only ? only.claim : "");
}

// Until the transaction has ended no other store is at the video. One that is new has no row: then its first event is the lock.
const VIDEO = sql<[string]>("SELECT id FROM videos WHERE video_id = ? FOR UPDATE");
// It waits for every transaction that has asked for a video, and they for it; reads go on.
const ALL_VIDEOS = sql<[]>("LOCK TABLE videos IN EXCLUSIVE MODE");
// What will ask for some does so before anything else that a transaction of ALL_VIDEOS may want.
const SOME_VIDEOS = sql<[]>("LOCK TABLE videos IN ROW SHARE MODE");
// Claims of deliveries to it, or ("") of work on media, come one after the other.
const ENDPOINT = sql<[string]>("SELECT pg_advisory_xact_lock(2004446331, hashtext(?))");
const TRY_ENDPOINT = sql<[string], { isHeld: number }>(
  `SELECT CASE WHEN pg_try_advisory_xact_lock(2004446331, hashtext(?)) THEN 1 ELSE 0 END AS "isHeld"`,
);
// Who judges an answer of the endpoint writes it.
const ENDPOINT_ROW = sql<[string]>("SELECT id FROM endpoints WHERE id = ? FOR UPDATE");
// What another store is at is left out: a claim waits for no video.
const VIDEOS = sql<[string], { id: number }>(
  "SELECT id FROM videos WHERE id = ANY(CAST(? AS int8[])) ORDER BY id FOR UPDATE SKIP LOCKED",
);

// What is given out from now on is greater.
const GIVEN = sql<[], { id: number }>("SELECT last_value AS id FROM ids");
// Of the transactions under way, by the lock that each takes on its first id before that is given out; read after GIVEN, so that
// it holds those of all ids up to there, and before the ends of those that it does not hold are seen.
const UNDER_WAY = sql<[number], { id: number }>(
  `SELECT coalesce(min((classid::int8 << 32) | objid::int8), ?) AS id FROM pg_locks
   WHERE locktype = 'advisory' AND objsubid = 1 AND classid::int8 > 0
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
);

/** What the first job of a lane is locked by; the last of them gives its row, where it asks for one. */
export function locksOf(kind: Kind, jobs: Job<unknown>[]): Query[] {
  const [first] = jobs;
  if (kind === "all") return [toQuery(ALL_VIDEOS, [])];
  if (kind === "videos") return [lockVideo(first!)];
  if (kind === "media") return [toQuery(SOME_VIDEOS, []), toQuery(ENDPOINT, [""])];
  if (kind === "claims") {
    const endpoint = laneOf(first!);
    return [toQuery(SOME_VIDEOS, []), toQuery(ENDPOINT, [endpoint]), toQuery(ENDPOINT_ROW, [endpoint])];
  }
  const tables = new Set(jobs.map(({ only }) => (only as { table: string }).table));
  return [...tables]
    .sort()
    .map((table) => ({ name: "", text: `LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`, values: [] }));
}

export function lockVideo({ key, lock }: Job<unknown>): Query {
  return lock === null ? toQuery(VIDEO, [key!]) : toQuery(forUpdate(lock), [key!]);
}

export const holdVideos = (videos: number[]): Query => toQuery(VIDEOS, [`{${videos.join()}}`]);

/** The horizon is the least that these two, asked in this order, give: behind the id of the first, and at the other's. */
export const horizon = (): [given: Query, underWay: Query] => [toQuery(GIVEN, []), toQuery(UNDER_WAY, [LIMIT + 1])];

export const tryEndpoint = (endpoint: string): Query => toQuery(TRY_ENDPOINT, [endpoint]);

const locking = new WeakMap<object, Statement>();

function forUpdate(lock: NonNullable<Job<unknown>["lock"]>): Statement {
  let statement = locking.get(lock);
  if (statement === undefined) {
    statement = sql(`${lock.text} FOR UPDATE`);
    locking.set(lock, statement);
  }
  return statement;
}
