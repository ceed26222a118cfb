import type { Job } from "../../../model/job.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish } from "../../store.ts";
import { held } from "../rows/held.ts";
import { insert, sql, type Tx } from "../tx.ts";

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

// The jobs on copies (uploads, deletions): when they are due, and who works on them.

const insertTransfer = insert("transfers", ["id", "action", "medium", "target", "key", "bytes", "due"]);
const BY_ID = sql<[number], TransferRow>("SELECT * FROM transfers WHERE id = ?");
const DUE = sql<[string, number, number], TransferRow & { video: number }>(
  `SELECT t.*, m.video FROM transfers t JOIN media m ON m.id = t.medium WHERE t.action = ? AND t.due <= ?
   ORDER BY t.due, t.id LIMIT ?`,
);
// What is uploaded lies in the spool of the relay that has downloaded it, and is that one's from its beginning.
const CLAIMABLE = (action: "upload" | "delete", isOwn: string) =>
  `(SELECT * FROM transfers WHERE action = '${action}'${action === "upload" ? ` AND ${isOwn}` : ""})`;
// Work on the copies of one video comes one after the other; what one relay does at once it puts in order by itself. A copy is moved
// while the claim of its task holds.
const RUNS_ELSEWHERE = (isOwn: string, video: string) =>
  `EXISTS (SELECT 1 FROM transfers WHERE running = 1 AND due > ? AND NOT (${isOwn})
     AND (SELECT video FROM media WHERE media.id = transfers.medium) = ${video})`;
const MOVED_ELSEWHERE = (isOwn: string, video: string) =>
  `EXISTS (SELECT 1 FROM moves JOIN tasks ON tasks.id = moves.task
     WHERE moves.claim IS NOT NULL AND moves.claim = tasks.claims AND tasks.state = 'running' AND tasks.due > ?
       AND NOT (${isOwn}) AND (SELECT video FROM media WHERE media.id = moves.medium) = ${video})`;
const FIRST_DUE = sql<[string], { due: number | null }>("SELECT min(due) AS due FROM transfers WHERE action = ?");
const LEASE = sql<[number, number]>("UPDATE transfers SET running = 1, due = ?, claims = claims + 1 WHERE id = ?");
const RENEW = sql<[number, number, number, number]>(
  "UPDATE transfers SET due = ? WHERE id = ? AND claims = ? AND running = 1 AND due > ?",
);
const BRING_FORWARD = sql<[number]>("UPDATE transfers SET due = due - ?");
// The copies of a deleted video may be meant to stay that long.
const NEVER_DUE = sql<[number]>(`UPDATE transfers SET due = ? WHERE due >= ${LATEST_TIME} AND action <> 'erase'`);
const RETRY = sql<[number, string, number, number]>(
  `UPDATE transfers SET running = 0, due = ?, attempts = attempts + 1, last_error = ?,
     failing_since = coalesce(failing_since, ?) WHERE id = ?`,
);
const REMOVE = sql<[number]>("DELETE FROM transfers WHERE id = ?");
const OF_MEDIUM = sql<[number, string], TransferRow>("SELECT * FROM transfers WHERE medium = ? AND action = ?");
const addPlace = insert("places", ["medium", "target", "key"], "ON CONFLICT DO NOTHING");
const DROP_PLACE = sql<[number, number, string]>("DELETE FROM places WHERE medium = ? AND target = ? AND key = ?");
const PLACES = sql<[number], Place>("SELECT target, key FROM places WHERE medium = ?");
const DROP_PLACES = sql<[number]>("DELETE FROM places WHERE medium = ?");
const HASTEN = sql<[number, number]>(
  "UPDATE transfers SET due = ? WHERE medium = ? AND action = 'upload' AND running = 0",
);
const HASTEN_DELETIONS = sql<[number, number, number]>(
  `UPDATE transfers SET due = ? WHERE medium = ? AND action = 'delete' AND key IS NOT NULL AND running = 0 AND attempts = 0
     AND due > ?`,
);
const UPLOADS = sql<[], { medium: number }>("SELECT medium FROM transfers WHERE action = 'upload'");

const ABOUT = sql<[number], { event: number; video_id: string }>(
  "SELECT m.event, v.video_id FROM media m JOIN videos v ON v.id = m.video WHERE m.id = ?",
);

/** What the jobs on a medium's copies have in common. */
export async function toJob(tx: Tx, row: TransferRow): Promise<Omit<Job, "queue"> & { mediumId: string }> {
  const { event, video_id } = (await tx.get(ABOUT, [row.medium]))!;
  return {
    id: tx.ids.show("job", row.id),
    attempts: row.attempts,
    claim: tx.ids.claim(row.claims),
    eventId: tx.ids.show("evt", event),
    videoId: video_id,
    mediumId: tx.ids.show("med", row.medium),
  };
}

export function add(
  tx: Tx,
  action: TransferRow["action"],
  medium: number,
  copy: { target: number | null; key: string | null; bytes?: number | null } | null,
  due: number,
): void {
  const { target = null, key = null, bytes = null } = copy ?? {};
  insertTransfer(tx, { id: tx.ids.next(), action, medium, target, key, bytes, due });
}

/** Takes a medium's job of this sort back; null: there was none. */
export async function cancel(tx: Tx, action: TransferRow["action"], medium: number): Promise<TransferRow | null> {
  const row = (await tx.get(OF_MEDIUM, [medium, action])) ?? null;
  if (row !== null) tx.write(REMOVE, [row.id]);
  return row;
}

/** An upload is about to be put there. `passed`: keys of this target that were found to hold another file. */
export function place(tx: Tx, { medium }: TransferRow, { target, key }: Place, passed: string[]): void {
  for (const other of passed) tx.write(DROP_PLACE, [medium, target, other]);
  addPlace(tx, { medium, target, key });
}

/** Every place where an upload of this medium was to be put, and may have been; from now on it is the caller's to know. */
export async function takePlaces(tx: Tx, medium: number): Promise<Place[]> {
  const taken = await tx.all(PLACES, [medium]);
  if (taken.length > 0) tx.write(DROP_PLACES, [medium]);
  return taken;
}

export const due = (tx: Tx, action: TransferRow["action"], now: number, limit: number) =>
  held(tx, limit, (most) => {
    const { isAlone, isOwn } = tx.relay;
    if (action === "erase" || isAlone) return tx.all(DUE, [action, now, most]);
    const claimable = sql<[number, number, number, number], TransferRow & { video: number }>(
      `SELECT t.*, m.video FROM ${CLAIMABLE(action, isOwn)} t JOIN media m ON m.id = t.medium
       WHERE t.due <= ? AND NOT ${RUNS_ELSEWHERE(isOwn, "m.video")} AND NOT ${MOVED_ELSEWHERE(isOwn, "m.video")}
       ORDER BY t.due, t.id LIMIT ?`,
    );
    return tx.all(claimable, [now, now, now, most]);
  });

/** Whether another relay is at a copy of this video. */
export async function isElsewhere(tx: Tx, video: number, now: number): Promise<boolean> {
  const { isAlone, isOwn } = tx.relay;
  if (isAlone) return false;
  const running = sql<[number, number], unknown>(`SELECT 1 WHERE ${RUNS_ELSEWHERE(isOwn, "CAST(? AS int8)")}`);
  return (await tx.get(running, [now, video])) !== undefined;
}

export const claim = async (tx: Tx, action: TransferRow["action"], wish: ClaimWish): Promise<TransferRow[]> =>
  (await due(tx, action, wish.now, wish.limit)).map((row) => {
    tx.write(LEASE, [wish.now + wish.leaseFor, row.id]);
    return { ...row, claims: row.claims + 1 };
  });

/**
 * The job's row while the claim is still its own. Once its lease is over another relay may have emptied the place where it has put
 * its file: such a claim is not renewed either.
 */
export async function rowOf(tx: Tx, job: Job): Promise<TransferRow | null> {
  const row = await tx.get(BY_ID, [tx.ids.find("job", job.id)]);
  if (row?.running !== 1 || row.claims !== tx.ids.claimed(job.claim)) return null;
  return tx.relay.isAlone || row.due > tx.now() ? row : null;
}

export async function renew(tx: Tx, job: Job, leaseFor: number, now: number): Promise<boolean> {
  const values = [now + leaseFor, tx.ids.find("job", job.id), tx.ids.claimed(job.claim)] as const;
  return (await tx.changed(RENEW, [...values, tx.relay.isAlone ? 0 : now])) === 1;
}

export const retry = (tx: Tx, row: TransferRow, at: number, error: string, now: number) =>
  tx.write(RETRY, [at, error, now, row.id]);

export const done = (tx: Tx, row: TransferRow) => tx.write(REMOVE, [row.id]);

export const hasten = (tx: Tx, medium: number, now: number) => tx.write(HASTEN, [now, medium]);

/** Copies of a medium that were to be deleted later are deleted now. */
export const hastenDeletions = (tx: Tx, medium: number, now: number) => tx.write(HASTEN_DELETIONS, [now, medium, now]);

export const uploading = async (tx: Tx) => (await tx.all(UPLOADS, [])).map(({ medium }) => medium);

export const freeLeases = (tx: Tx, now: number) =>
  tx.changed(sql<[number]>(`UPDATE transfers SET running = 0, due = ? WHERE running = 1 AND ${tx.relay.isOwn}`), [now]);

export const mendDue = (tx: Tx, now: number) => tx.write(NEVER_DUE, [now]);

export const bringForward = (tx: Tx, by: number) => tx.write(BRING_FORWARD, [by]);

function firstDue(tx: Tx, action: TransferRow["action"]): Promise<{ due: number | null } | undefined> {
  if (action !== "upload" || tx.relay.isAlone) return tx.get(FIRST_DUE, [action]);
  return tx.get(
    sql<[], { due: number | null }>(`SELECT min(due) AS due FROM ${CLAIMABLE(action, tx.relay.isOwn)} t`),
    [],
  );
}

export const nextDue = async (tx: Tx, ...actions: TransferRow["action"][]): Promise<number | null> => {
  const rows = await Promise.all(actions.map((action) => firstDue(tx, action)));
  const times = rows.flatMap((row) => row?.due ?? []);
  return times.length === 0 ? null : Math.min(...times);
};
