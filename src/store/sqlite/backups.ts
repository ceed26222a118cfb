import type { Backup, BackupPlace, BegunBackup, FailedBackup } from "../store.ts";
import { type Ids, readId, showId } from "./ids.ts";
import type { Sql } from "./sql.ts";

/** An operator's own backups are theirs: of those only the last ones are remembered. */
const KEPT = 100;

/**
 * The row of what is being made, or may be: JSON. A copy has it as it was, and empties it (backup.ts), so it stays a row
 * where it is one: the rows are counted.
 */
const BEGUN = "backups-begun";
export const FORGET_BEGUN = `UPDATE meta SET value = CAST('[]' AS BLOB) WHERE name = '${BEGUN}'`;

/** The row of the schedule's last try, where it failed: JSON. */
const FAILED = "backup-failed";

type Row = {
  id: number;
  at: number;
  place: BackupPlace;
  name: string;
  bytes: number;
  events: number;
  newest: number | null;
  planned: number;
};

/** The backups that were opened and checked, inside a transaction. By their ids, so that a clock that was set back confuses nobody. */
export function createBackups(db: Sql, ids: Ids) {
  const all = db.prepare<[], Row>("SELECT * FROM backups ORDER BY id DESC");
  const last = db.prepare<[], Row>("SELECT * FROM backups ORDER BY id DESC LIMIT 1");
  const insert = db.prepare(
    "INSERT INTO backups (id, at, place, name, bytes, events, newest, planned) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  // The same file once more holds only the newest.
  const replaced = db.prepare("DELETE FROM backups WHERE place = ? AND name = ?");
  const remove = db.prepare("DELETE FROM backups WHERE id = ?");
  const forgetOld = db.prepare(
    `DELETE FROM backups WHERE planned = 0 AND id NOT IN
       (SELECT id FROM backups WHERE planned = 0 ORDER BY id DESC LIMIT ?)`,
  );
  const readBegun = db.prepare<[], { value: Uint8Array }>(`SELECT value FROM meta WHERE name = '${BEGUN}'`);
  const writeBegun = db.prepare(`INSERT OR REPLACE INTO meta (name, value) VALUES ('${BEGUN}', ?)`);

  const readFailed = db.prepare<[], { value: Uint8Array }>(`SELECT value FROM meta WHERE name = '${FAILED}'`);
  const writeFailed = db.prepare(`INSERT OR REPLACE INTO meta (name, value) VALUES ('${FAILED}', ?)`);
  const succeed = db.prepare(`DELETE FROM meta WHERE name = '${FAILED}'`);

  function begun(): BegunBackup[] {
    const row = readBegun.get();
    return row === undefined ? [] : JSON.parse(Buffer.from(row.value).toString());
  }

  function end({ place, name }: BegunBackup, list = begun()): void {
    const others = list.filter((one) => one.place !== place || one.name !== name);
    if (others.length < list.length) setBegun(others);
  }

  function setBegun(list: BegunBackup[]): void {
    writeBegun.run(Buffer.from(JSON.stringify(list)));
  }

  return {
    begin: ({ place, name }: BegunBackup): void => setBegun([...begun(), { place, name }]),
    begun,
    end: (one: BegunBackup): void => end(one),
    note({ at, place, name, bytes, events, newest, planned }: Omit<Backup, "id">): void {
      replaced.run(place, name);
      insert.run(ids.next(), at, place, name, bytes, events, newest, planned ? 1 : 0);
      forgetOld.run(KEPT);
      if (planned) succeed.run();
      end({ place, name });
    },
    fail: (failed: FailedBackup): void => void writeFailed.run(Buffer.from(JSON.stringify(failed))),
    failed(): FailedBackup | null {
      const row = readFailed.get();
      return row === undefined ? null : JSON.parse(Buffer.from(row.value).toString());
    },
    list: (): Backup[] => all.all().map(toBackup),
    last(): Backup | null {
      const row = last.get();
      return row === undefined ? null : toBackup(row);
    },
    forget: (id: string): void => void remove.run(readId("bak", id)),
  };
}

function toBackup({ id, planned, ...row }: Row): Backup {
  return { id: showId("bak", id), ...row, planned: planned === 1 };
}

/** Which life of the database this is. */
export function readEpoch(db: Sql): string {
  const row = db.prepare<[], { value: Uint8Array }>("SELECT value FROM meta WHERE name = 'epoch'").get();
  return Buffer.from(row!.value).toString("hex");
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
 * Another life begins at `now` (CONTRACT, "Ids"): its sequences are greater than any of before, also those that were given
 * after the backup was made, and its readers' cursors are no longer valid.
 */
export function beginEpoch(db: Sql, now: number): void {
  const { sequence } = db
    .prepare<[], { sequence: number | null }>("SELECT max(sequence) AS sequence FROM videos")
    .get()!;
  const last = Math.max(readEpochNumber(db), sequence ?? 0);
  const number = now > last ? Math.floor(now) : last + EPOCH_STEP;
  const set = db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
  set.run(EPOCH_NUMBER, Buffer.from(String(number)));
  db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', randomblob(16))").run();
}
