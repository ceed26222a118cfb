import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

/**
 * What a relay is, or was, at: it writes a file, or reads it back once it has its name, until it is kept; or it prunes what was
 * archived before. "between": any other moment, as when events are released.
 */
export type Stage = "write" | "read back" | "prune" | "between";

/** How far the archive is. `part`: the greatest id of one that was begun; `left`: events that are archived, and can be pruned. */
export type Standing = { part: number; kept: number; left: number; bodies: number };

/** What a process of the relay has made of a standing, so far or until it was killed. */
export type Progress = { stage: Stage; kept: number };

export const openDatabase = (dataDir: string) => new Database(join(dataDir, "relay.db"), { readonly: true });

type Db = ReturnType<typeof openDatabase>;

const one = <Values extends number[]>(db: Db, text: string, ...values: Values) =>
  db
    .prepare<Values, number>(text)
    .pluck()
    .get(...values)!;

const KEPT = "SELECT count(*) FROM archive_parts WHERE state = 'kept'";

/** What waits for "away" (fill-old.ts) is archived for its attempts, and is not pruned; what is queued was not released yet. */
const LEFT = `SELECT count(*) FROM archived a JOIN archive_parts p ON p.id = a.part AND p.state = 'kept'
  WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id IN (a.event + 1, a.event + 2) AND d.settled_at IS NULL)
    AND a.event NOT IN (SELECT id FROM retained WHERE what = 'archive')`;

export function standingOf(db: Db): Standing {
  return {
    part: one(db, "SELECT coalesce(max(id), 0) FROM archive_parts"),
    kept: one(db, KEPT),
    left: one(db, LEFT),
    bodies: one(db, "SELECT count(*) FROM events WHERE body IS NOT NULL"),
  };
}

/** Where the process is that found `before`. `folder`: of the archive. */
export function progressOf(db: Db, folder: string, before: Standing): Progress {
  const kept = one(db, KEPT) - before.kept;
  const begun = db
    .prepare<[number], { key: string }>("SELECT key FROM archive_parts WHERE state = 'writing' AND id > ?")
    .get(before.part);
  if (begun !== undefined) return { kept, stage: existsSync(join(folder, begun.key)) ? "read back" : "write" };
  // It begins with that, before its first part.
  const left = kept > 0 ? before.left : one(db, LEFT);
  return { kept, stage: left > 0 && left < before.left ? "prune" : "between" };
}
