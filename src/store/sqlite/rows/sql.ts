import type Database from "better-sqlite3";

/** What the statements of this folder are prepared by. */
export type Sql = Pick<Database.Database, "prepare">;

/**
 * Prepares statements whose plan is made once. better-sqlite3 is built with SQLITE_ENABLE_STAT4, which plans a statement
 * anew whenever a parameter is bound that an index may be chosen by (sqlite.org/c3ref/prepare.html, on sqlite3_prepare_v2):
 * ten times the cost of running it. A parameter behind a unary plus is none that the planner looks at.
 */
export function withStablePlans(db: Database.Database): Sql {
  const prepare = (text: string) => db.prepare(text.replace(/\bLIMIT \?|\browid [<>]=? \?|\?/g, stable));
  return { prepare: prepare as Sql["prepare"] };
}

function stable(found: string): string {
  if (found === "?") return "+?";
  if (found === "LIMIT ?") return "LIMIT ?+0";
  // FTS5 begins and ends at a bound only where it is an integer, and each number of JavaScript's is bound as a float.
  return found.replace("?", "CAST(+? AS INTEGER)");
}
