import { isDeepStrictEqual } from "node:util";
import type Database from "better-sqlite3";
import { RelayError } from "../../../errors.ts";
import { checkVersion } from "../schema/migrations.ts";

/** What two databases must have in common for one to be a whole copy of the other. */
export type Contents = {
  schema: number;
  /** Rows of each table. */
  counts: Record<string, number>;
  /** Without the relay's own notices. */
  events: number;
  /** The newest row's id, and when the newest event of the provider's was received: the relay's own notices come after. */
  newestId: number | null;
  newest: number | null;
};

/** Looks at everything that a copy is compared by; of another connection's snapshot when one is being read. */
export function readContents(db: Database.Database): Contents {
  const schema = checkVersion(db);
  const tables = db
    .prepare<[], { name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .all();
  const count = (from: string) => db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${from}`).get()!.n;
  const counts = Object.fromEntries(tables.map(({ name }) => [name, count(`"${name}"`)]));
  if (counts.events === undefined) return { schema, counts, events: 0, newestId: null, newest: null };
  const { notices, ...newest } = db
    .prepare<[], { notices: number } & Pick<Contents, "newestId" | "newest">>(NEWEST)
    .get()!;
  return { schema, counts, events: counts.events - notices, ...newest };
}

// What was taken in late was received before others: the newest is among the last.
const NEWEST = `SELECT (SELECT count(*) FROM events WHERE dialect = 'notice') AS notices,
  (SELECT max(id) FROM events) AS "newestId",
  (SELECT max(received_at) FROM (SELECT received_at FROM events WHERE dialect <> 'notice' ORDER BY id DESC LIMIT 1000)) AS newest`;

/** Throws RelayError("conflict") where SQLite finds anything wrong with the file. */
export function checkIntegrity(db: Database.Database, what: string): void {
  const [first] = complaintsOf(db, "integrity_check(1)");
  if (first !== undefined) throw new RelayError("conflict", `${what} is damaged (integrity_check: ${first})`);
}

/** What a check of SQLite's finds (sqlite.org/pragma.html#pragma_integrity_check); nothing: it is whole. */
export function complaintsOf(db: Database.Database, check: string): string[] {
  const rows = db.pragma(check) as Record<string, string>[];
  const lines = rows.flatMap((row) => Object.values(row).join().split("\n"));
  return lines.filter((line) => line !== "ok" && !line.startsWith("***"));
}

/** Throws RelayError("conflict") where the copy does not hold what its source held. */
export function compareContents(source: Contents, copy: Contents): void {
  if (isDeepStrictEqual(source, copy)) return;
  throw new RelayError("conflict", "the copy does not hold the rows that the database held: it is dropped");
}
