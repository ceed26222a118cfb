import { codeOf } from "../../../errors.ts";

/** What the driver's error codes mean (sqlite.org/rescode.html). */

/** Trouble of the engine or the disk, as opposed to one bad row: SQLITE_FULL, IOERR, BUSY and their kin. */
export function isEngineTrouble(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|NOMEM|CORRUPT|NOTADB|PROTOCOL|PERM|AUTH|INTERRUPT)/.test(
    codeOf(error),
  );
}

/** The database is no longer where it was: asking again soon does not help. */
export function isMoved(error: unknown): boolean {
  return codeOf(error) === "SQLITE_READONLY_DBMOVED";
}

/** The database file itself is damaged. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));
}

/** Another process has the lock. */
export function isLocked(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));
}

/** Over in a moment, as a rule: a lock, or a full disk on which room may be made. */
export function mayPass(error: unknown): boolean {
  return isLocked(error) || codeOf(error) === "SQLITE_FULL";
}
