import { LIMIT } from "../../core/rows/numbers.ts";
import type { Sql } from "./sql.ts";

/** Tables of schema 4 whose rows are numbered so; migration 4 reads this list, a later schema's tables are another. */
export const NUMBERED_4 = [
  "deliveries",
  "events",
  "media",
  "videos",
  "duplicates",
  "past_contexts",
  "imports",
  "transfers",
  "targets",
  "backups",
  "quarantine",
];

/** Returns a read of the newest number that a database of this schema has given, up to LIMIT; 0: none. */
export function newestNumber(db: Sql, schema: number): () => number {
  const tables = [...NUMBERED_4, ...(schema < 6 ? [] : ["tasks"]), ...(schema < 7 ? [] : ["audit", "alerts"])];
  const each = tables.map((table) => `coalesce((SELECT max(id) FROM ${table} WHERE id <= ${LIMIT}), 0)`);
  const newest = db.prepare<[], { id: number }>(
    `SELECT max(${each.join(", ")}, (SELECT max(given) FROM epochs)) AS id`,
  );
  return () => newest.get()!.id;
}
