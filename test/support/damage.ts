import { readFileSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";

/** Overwrites the head of the first page of a table, in a database that nobody has open. */
export function damageTable(path: string, table: string): void {
  const bytes = readFileSync(path);
  const db = new Database(path, { readonly: true });
  const root = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").pluck().get(table));
  db.close();
  bytes.fill(0x5a, (root - 1) * 4096, (root - 1) * 4096 + 64);
  writeFileSync(path, bytes);
}
