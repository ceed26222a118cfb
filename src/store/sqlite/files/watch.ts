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
  // SQLite makes the log at the first transaction, and removes it when the last connection closes. The "-shm" file is its index:
  // a process that finds none makes another, and the two write over each other.
  const files = [database, `${database}-wal`, `${database}-shm`, ...(lock === null ? [] : [lock])];
  const watched = files.map((file) => ({ file, identity: identityOf(file) }));
  return () => {
    for (const { file, identity } of watched) {
      let found: string | null;
      try {
        found = identityOf(file);
      } catch {
        // The folder itself cannot be read: no event would be safe there.
        found = null;
      }
      if (found === identity) continue;
      // Opened anew a database that is gone would be an empty one.
      const canReopen = file !== database;
      const relay = canReopen ? "the relay opens the store anew" : "put it back, or restart the relay";
      const what = lock === null ? "run this command again" : relay;
      return { line: `${file} was deleted or replaced; ${what}`, isLog: file === `${database}-wal`, canReopen };
    }
    return null;
  };
}
