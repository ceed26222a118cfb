import { statSync } from "node:fs";

/** `isLog`: it is the write-ahead log; `canReopen`: nothing is lost when the store is opened anew. */
type Gone = { line: string; isLog: boolean; canReopen: boolean };

/** What makes a file the same file: its device and its number there; null where there is none. */
function identityOf(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}/${found.ino}`;
}

/**
 * Watches the files that commits depend on: the database, its write-ahead log and the folder's lock. What is committed to
 * one that was deleted or replaced is gone at the next start. The returned function says which one is not where it was, and
 * what to do; null: all are. It costs three stat(2), a few microseconds.
 */
export function watchPlace(database: string, lock: string | null): () => Gone | null {
  const watched = [
    // Opened anew it would be an empty one.
    { file: database, what: "put it back, or restart the relay", isLog: false, canReopen: false },
    // SQLite makes it at the first transaction, and removes it when the last connection closes.
    { file: `${database}-wal`, what: "the relay opens the store anew", isLog: true, canReopen: true },
    // The index of the log: a process that finds none makes another, and the two write over each other.
    { file: `${database}-shm`, what: "the relay opens the store anew", isLog: false, canReopen: true },
    ...(lock === null ? [] : [{ file: lock, what: "the relay opens the store anew", isLog: false, canReopen: true }]),
  ].map((each) => ({ ...each, identity: identityOf(each.file) }));
  return () => {
    for (const { file, what, isLog, canReopen, identity } of watched) {
      let found: string | null;
      try {
        found = identityOf(file);
      } catch {
        // The folder itself cannot be read: no event would be safe there.
        found = null;
      }
      if (found !== identity) return { line: `${file} was deleted or replaced; ${what}`, isLog, canReopen };
    }
    return null;
  };
}
