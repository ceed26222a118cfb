import type { Epoch } from "../../core/rows/ids.ts";
import { RANDOM_TAG } from "../schema/tags-4.ts";
import { newestNumber } from "./newest.ts";
import type { Sql } from "./sql.ts";

/** All epochs since ids have tags, the newest first. */
export function readEpochs(db: Sql): Epoch[] {
  return db.prepare<[], Epoch>("SELECT first, tag FROM epochs ORDER BY id DESC").all();
}

/** The row of this life's number: text. */
const EPOCH_NUMBER = "epoch-number";

/** The least of numbers between two epochs: more events than a video gets between a backup and its restore. */
const EPOCH_STEP = 2 ** 20;

/** This life's number, which the sequences of its events are greater than; 0 for a database that was never restored. */
export function readEpochNumber(db: Sql): number {
  const row = db.prepare<[], { value: Uint8Array }>(`SELECT value FROM meta WHERE name = '${EPOCH_NUMBER}'`).get();
  return row === undefined ? 0 : Number(Buffer.from(row.value).toString());
}

/**
 * Another life of a database of this schema begins at `now` (CONTRACT, "Ids"): its sequences are greater than any of before,
 * also those that were given after the backup was made, its ids end with another tag, and its readers' cursors are no longer
 * valid.
 */
export function beginEpoch(db: Sql, schema: number, now: number): void {
  const { sequence } = db
    .prepare<[], { sequence: number | null }>("SELECT max(sequence) AS sequence FROM videos")
    .get()!;
  const last = Math.max(readEpochNumber(db), sequence ?? 0);
  const number = now > last ? Math.floor(now) : last + EPOCH_STEP;
  const set = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  set.run(EPOCH_NUMBER, Buffer.from(String(number)));
  db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', randomblob(16))").run();
  // An older database gets its first tag when it is migrated.
  if (schema < 4) return;
  const newest = newestNumber(db, schema)();
  db.prepare(`INSERT INTO epochs (first, tag, given) VALUES (?, ${RANDOM_TAG}, ?)`).run(newest + 1, newest);
}
