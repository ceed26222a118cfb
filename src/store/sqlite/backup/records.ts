import type { Backup, BackupPlace, BegunBackup, FailedBackup } from "../../backups.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";

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
    noteFailed: (failed: FailedBackup): void => void writeFailed.run(Buffer.from(JSON.stringify(failed))),
    failed(): FailedBackup | null {
      const row = readFailed.get();
      return row === undefined ? null : JSON.parse(Buffer.from(row.value).toString());
    },
    list: (): Backup[] => all.all().map((row) => toBackup(ids, row)),
    last(): Backup | null {
      const row = last.get();
      return row === undefined ? null : toBackup(ids, row);
    },
    forget: (id: string): void => void remove.run(ids.read("bak", id)),
  };
}

function toBackup(ids: Ids, { id, planned, ...row }: Row): Backup {
  return { id: ids.show("bak", id), ...row, planned: planned === 1 };
}
