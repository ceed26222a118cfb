/** What the driver's error codes mean (sqlite.org/rescode.html). */

/** Trouble of the engine or the disk, as opposed to one bad row: SQLITE_FULL, IOERR, BUSY and their kin. */
export function isEngineTrouble(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|NOMEM|CORRUPT|NOTADB|PROTOCOL|PERM|AUTH|INTERRUPT)/.test(
    codeOf(error),
  );
}

/** The database file itself is damaged. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));
}

/** Another process has the lock, or the disk is full and room may be made: over in a moment, as a rule. */
export function mayPass(error: unknown): boolean {
  return /^SQLITE_(FULL|BUSY|LOCKED)/.test(codeOf(error));
}

/** The code of an error of the driver or the system; "" where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
