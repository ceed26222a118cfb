import type { Job } from "../../../model/job.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish } from "../../store.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";

export type TransferRow = {
  id: number;
  action: "upload" | "delete" | "erase";
  medium: number;
  target: number | null;
  key: string | null;
  bytes: number | null;
  due: number;
  running: number;
  attempts: number;
  claims: number;
  failing_since: number | null;
  last_error: string | null;
};

/** Where in which target (its row's id) a file is, or may be. */
export type Place = { target: number; key: string };

/** The jobs on copies (uploads, deletions), inside a transaction: when they are due, and who works on them. */
export function createTransfers(db: Sql, ids: Ids) {
  const insert = db.prepare(
    "INSERT INTO transfers (id, action, medium, target, key, bytes, due) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const byId = db.prepare<[number], TransferRow>("SELECT * FROM transfers WHERE id = ?");
  const due = db.prepare<[string, number, number], TransferRow>(
    "SELECT * FROM transfers WHERE action = ? AND due <= ? ORDER BY due LIMIT ?",
  );
  const firstDue = db.prepare<[string], { due: number | null }>(
    "SELECT min(due) AS due FROM transfers WHERE action = ?",
  );
  const lease = db.prepare("UPDATE transfers SET running = 1, due = ?, claims = claims + 1 WHERE id = ?");
  const renew = db.prepare("UPDATE transfers SET due = ? WHERE id = ? AND claims = ? AND running = 1");
  const free = db.prepare("UPDATE transfers SET running = 0, due = ? WHERE running = 1");
  const bringForward = db.prepare("UPDATE transfers SET due = due - ?");
  // The copies of a deleted video may be meant to stay that long.
  const neverDue = db.prepare(`UPDATE transfers SET due = ? WHERE due >= ${LATEST_TIME} AND action <> 'erase'`);
  const retry = db.prepare(
    `UPDATE transfers SET running = 0, due = ?, attempts = attempts + 1, last_error = ?,
       failing_since = coalesce(failing_since, ?) WHERE id = ?`,
  );
  const remove = db.prepare("DELETE FROM transfers WHERE id = ?");
  const ofMedium = db.prepare<[number, string], TransferRow>("SELECT * FROM transfers WHERE medium = ? AND action = ?");
  const addPlace = db.prepare("INSERT OR IGNORE INTO places (medium, target, key) VALUES (?, ?, ?)");
  const dropPlace = db.prepare("DELETE FROM places WHERE medium = ? AND target = ? AND key = ?");
  const places = db.prepare<[number], Place>("SELECT target, key FROM places WHERE medium = ?");
  const dropPlaces = db.prepare("DELETE FROM places WHERE medium = ?");
  const hasten = db.prepare("UPDATE transfers SET due = ? WHERE medium = ? AND action = 'upload' AND running = 0");
  const uploads = db.prepare<[], { medium: number }>("SELECT medium FROM transfers WHERE action = 'upload'");

  return {
    add: (
      action: TransferRow["action"],
      medium: number,
      copy: { target: number | null; key: string | null; bytes?: number | null } | null,
      at: number,
    ) => void insert.run(ids.next(), action, medium, copy?.target ?? null, copy?.key ?? null, copy?.bytes ?? null, at),
    /** Takes a medium's job of this sort back; null: there was none. */
    cancel(action: TransferRow["action"], medium: number): TransferRow | null {
      const row = ofMedium.get(medium, action) ?? null;
      if (row !== null) remove.run(row.id);
      return row;
    },
    /** An upload is about to be put there. `passed`: keys of this target that were found to hold another file. */
    place({ medium }: TransferRow, { target, key }: Place, passed: string[]): void {
      for (const other of passed) dropPlace.run(medium, target, other);
      addPlace.run(medium, target, key);
    },
    /** Every place where an upload of this medium was to be put, and may have been; from now on it is the caller's to know. */
    takePlaces(medium: number): Place[] {
      const taken = places.all(medium);
      if (taken.length > 0) dropPlaces.run(medium);
      return taken;
    },
    due: (action: TransferRow["action"], now: number, limit: number) => due.all(action, now, limit),
    claim: (action: TransferRow["action"], wish: ClaimWish): TransferRow[] =>
      due.all(action, wish.now, wish.limit).map((row) => {
        lease.run(wish.now + wish.leaseFor, row.id);
        return { ...row, claims: row.claims + 1 };
      }),
    /** The job's row while the claim is still its own. */
    held(job: Job): TransferRow | null {
      const row = byId.get(ids.find("job", job.id));
      return row?.running === 1 && row.claims === ids.claimed(job.claim) ? row : null;
    },
    renew: (job: Job, leaseFor: number, now: number) =>
      renew.run(now + leaseFor, ids.find("job", job.id), ids.claimed(job.claim)).changes === 1,
    retry: (row: TransferRow, at: number, error: string, now: number) => void retry.run(at, error, now, row.id),
    done: (row: TransferRow) => void remove.run(row.id),
    hasten: (medium: number, now: number) => void hasten.run(now, medium),
    uploading: () => uploads.all().map(({ medium }) => medium),

    freeLeases: (now: number) => free.run(now).changes,
    mendDue: (now: number) => void neverDue.run(now),
    bringForward: (by: number) => void bringForward.run(by),
    nextDue: (...actions: TransferRow["action"][]): number | null => {
      const times = actions.flatMap((action) => firstDue.get(action)?.due ?? []);
      return times.length === 0 ? null : Math.min(...times);
    },
  };
}

export type Transfers = ReturnType<typeof createTransfers>;
