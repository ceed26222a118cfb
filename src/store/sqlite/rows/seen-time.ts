import { Buffer } from "node:buffer";
import type { Sql } from "./sql.ts";

/** The last time at which a relay is known to have run on this database, inside a transaction. */
export function createSeenTime(db: Sql) {
  const read = db.prepare<[], { value: Uint8Array }>("SELECT value FROM meta WHERE name = 'seen-at'");
  const write = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('seen-at', ?)");

  function set(now: number): void {
    write.run(Buffer.from(String(now)));
  }

  return {
    set,
    /** Puts `now` in its place, and returns by how much it is ahead of that; 0: it is not. */
    replace(now: number): number {
      const row = read.get();
      set(now);
      return row ? Math.max(0, Number(Buffer.from(row.value).toString()) - now) : 0;
    },
  };
}
