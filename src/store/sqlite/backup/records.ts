import type { Backup, Backups, BegunBackup, FailedBackup } from "../../backups.ts";
import type { Ids } from "../../core/rows/ids.ts";
import * as meta from "../../core/rows/meta.ts";
import { insert, job, sql, type Tx } from "../../core/tx.ts";
import type { backupVerbs, Works } from "../../verbs.ts";

/** An operator's own backups are theirs: of those only the last ones are remembered. */
const KEPT = 100;

/**
 * The row of what is being made, or may be: JSON. A copy has it as it was, and empties it (copy.ts), so it stays a row
 * where it is one: the rows are counted.
 */
const BEGUN = "backups-begun";
export const FORGET_BEGUN = `UPDATE meta SET value = CAST('[]' AS BLOB) WHERE name = '${BEGUN}'`;

/** The row of the schedule's last try, where it failed: JSON. */
const FAILED = "backup-failed";

type Row = Omit<Backup, "id" | "planned"> & { id: number; planned: number };

// By their ids, so that a clock that was set back changes no order.
const ALL = sql<[], Row>("SELECT * FROM backups ORDER BY id DESC");
// The same file once more holds only the newest.
const REPLACED = sql<[string, string]>("DELETE FROM backups WHERE place = ? AND name = ?");
const REMOVE = sql<[number]>("DELETE FROM backups WHERE id = ?");
const FORGET_OLD = sql<[number]>(
  `DELETE FROM backups WHERE planned = 0 AND id NOT IN
     (SELECT id FROM backups WHERE planned = 0 ORDER BY id DESC LIMIT ?)`,
);
const insertBackup = insert("backups", ["id", "at", "place", "name", "bytes", "events", "newest", "planned"]);

const readBegun = async (tx: Tx) => (await meta.readJson<BegunBackup[]>(tx, BEGUN)) ?? [];

async function endBegun(tx: Tx, { place, name }: BegunBackup): Promise<void> {
  const list = await readBegun(tx);
  const others = list.filter((one) => one.place !== place || one.name !== name);
  if (others.length < list.length) meta.writeJson(tx, BEGUN, others);
}

async function note(tx: Tx, backup: Omit<Backup, "id">): Promise<void> {
  const { place, name, planned } = backup;
  tx.write(REPLACED, [place, name]);
  insertBackup(tx, { ...backup, id: tx.ids.next(), planned: planned ? 1 : 0 });
  tx.write(FORGET_OLD, [KEPT]);
  if (planned) meta.remove(tx, FAILED);
  await endBegun(tx, { place, name });
}

const list = async (tx: Tx) => (await tx.all(ALL, [])).map((row) => toBackup(tx.ids, row));

/** The backups that were opened and checked, and those that were begun. */
export const backupWorks: Works<Backups, typeof backupVerbs> = {
  begin: (begun) => job(async (tx) => meta.writeJson(tx, BEGUN, [...(await readBegun(tx)), begun])),
  begun: () => job(readBegun),
  end: (begun) => job((tx) => endBegun(tx, begun)),
  note: (backup) => job((tx) => note(tx, backup)),
  list: () => job(list),
  last: () => job(async (tx) => (await list(tx))[0] ?? null),
  noteFailed: (failed) => job(async (tx) => meta.writeJson(tx, FAILED, failed)),
  failed: () => job((tx) => meta.readJson<FailedBackup>(tx, FAILED)),
  forget: (id) => job(async (tx) => tx.write(REMOVE, [tx.ids.read("bak", id)])),
};

function toBackup(ids: Ids, { id, planned, ...row }: Row): Backup {
  return { id: ids.show("bak", id), ...row, planned: planned === 1 };
}
