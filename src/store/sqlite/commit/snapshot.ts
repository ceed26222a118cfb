import type Database from "better-sqlite3";

/**
 * For a connection beside the one that writes: a read of several statements sees one commit, and not two, as a transaction of
 * reads has a snapshot (sqlite.org/isolation.html). Reads that begin in one turn of the event loop share it, and it ends with
 * the last of them: the next turn sees what was committed since.
 */
export function createSnapshots(db: Database.Database) {
  const begin = db.prepare("BEGIN");
  const commit = db.prepare("COMMIT");
  let reading = 0;
  let { promise: ended, resolve: end } = Promise.withResolvers<void>();

  return {
    async read<T>(work: () => Promise<T>): Promise<T> {
      if (reading === 0) begin.run();
      reading++;
      try {
        return await work();
      } finally {
        if (--reading === 0) {
          // Some errors end the transaction (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
          if (db.inTransaction) commit.run();
          end();
          ({ promise: ended, resolve: end } = Promise.withResolvers<void>());
        }
      }
    },

    /** Runs `work`, which is synchronous, while there is no snapshot. */
    async outside<T>(work: () => T): Promise<T> {
      while (reading > 0) await ended;
      return work();
    },
  };
}
