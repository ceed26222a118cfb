import { Buffer } from "node:buffer";
import type { Sql } from "../rows/sql.ts";

/**
 * How far the erasure of a video is. `upTo` is the id of the last event that it takes: what was accepted after it began
 * stays. `after` is the sequence of the last event that has been erased; null: none has.
 */
export type Erasure = { upTo: number; after: number | null; media: number };

/** Erasures that have begun and are not finished, by video, inside a transaction. */
export function createErasures(db: Sql) {
  const find = db.prepare<[string], { value: Uint8Array }>("SELECT value FROM meta WHERE name = ?");
  const save = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  const remove = db.prepare("DELETE FROM meta WHERE name = ?");
  const nameOf = (video: number) => `erasing/${video}`;

  function of(video: number): Erasure | null {
    const row = find.get(nameOf(video));
    return row === undefined ? null : (JSON.parse(Buffer.from(row.value).toString()) as Erasure);
  }

  return {
    of,
    save: (video: number, erasure: Erasure) => void save.run(nameOf(video), Buffer.from(JSON.stringify(erasure))),
    end: (video: number) => void remove.run(nameOf(video)),
    /** Whether this event, or delivery of it, is about to be erased: nothing of it is sent any longer. */
    covers({ video, event }: { video: number; event: number }): boolean {
      const erasure = of(video);
      return erasure !== null && event <= erasure.upTo;
    },
  };
}
