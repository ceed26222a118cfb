import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Inspected } from "../../check-tables.ts";
import { complaintsOf } from "../backup/integrity-check.ts";
import { APPLICATION_ID, migrations } from "../schema/migrations.ts";
import { openFile, withFile } from "./driver.ts";

/** Milliseconds that a reader waits for a relay that is at work. */
const PATIENCE = 5_000;

/** SQLite ends a check after this many complaints; the first few are enough. */
const COMPLAINTS = 10;

/** Opens a database without a right to change it, beside a relay that may be at work. Throws what the driver throws. */
export function inspectDatabase(path: string): Inspected {
  const db = openFile(path, { timeout: PATIENCE, readonly: true, fileMustExist: true });
  const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }));
  return {
    facts: () => ({
      isOurs: number("application_id") === APPLICATION_ID,
      schema: number("user_version"),
      newest: migrations.length,
      journalMode: String(db.pragma("journal_mode", { simple: true })),
    }),
    tables: () =>
      db
        .prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
        .all()
        .map(({ name }) => name),
    checkAll: () => complaintsOf(db, `integrity_check(${COMPLAINTS})`),
    checkTable: (name) => complaintsOf(db, `quick_check("${name.replaceAll('"', '""')}")`),
    close: () => db.close(),
  };
}

/**
 * Whether a relay has a data folder now. It is found out by reading its lock file, which is held for next to no time; nothing is
 * made where there is none.
 */
export function isRelayRunning(dataDir: string): boolean {
  try {
    withFile(join(dataDir, "relay.lock"), { timeout: 0, readonly: true, fileMustExist: true }, (lock) =>
      lock.prepare("SELECT 1 FROM sqlite_schema").get(),
    );
    return false;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "SQLITE_BUSY") return true;
    if (code === "SQLITE_CANTOPEN" || !existsSync(dataDir)) return false;
    throw error;
  }
}
