import { LEASE } from "../../../model/job.ts";
import type { SpooledFile } from "../../../model/medium.ts";
import { nextRisk } from "../../../rules/at-risk.ts";
import * as gates from "../deliveries/gates.ts";
import * as notices from "../deliveries/notices.ts";
import { insert, sql, type Tx, update } from "../tx.ts";
import * as former from "./former.ts";
import * as media from "./rows.ts";
import { FIRST_TRY, type MediumRow } from "./rows.ts";
import type { Place } from "./transfers.ts";
import * as transfers from "./transfers.ts";

/** A copy as it is written into its row. */
export type CopyFacts = Omit<SpooledFile, "ext"> & { target: number; key: string };

// How the work on a medium goes on or ends: its row, and all that follows in the same commit – the
// next job, gates that open, a thumbnail that is superseded, copies without a row, notices.

const SPOOLED = sql<[string, number, number]>(
  `UPDATE media SET state = 'pending', due = NULL, risk_at = NULL, attempts = attempts + 1, spooled = ?, secured_at = ?,
     last_error = NULL WHERE id = ?`,
);
const MIRRORED = { state: "mirrored", due: null, risk_at: null, spooled: null, last_error: null };
const mirrored = update("media", [
  ...(["state", "due", "risk_at", "spooled", "last_error", "settled_at"] as const),
  ...(["target", "key", "bytes", "sha256", "content_type", "suspect", "etag", "last_modified"] as const),
]);
const ENDED = sql<[string, string | null, number, number]>(
  "UPDATE media SET state = ?, due = NULL, risk_at = NULL, spooled = NULL, last_error = ?, settled_at = ? WHERE id = ?",
);
const DELETED = sql<[string, number, number]>(
  `UPDATE media SET state = 'deleted', due = NULL, risk_at = NULL, spooled = NULL, target = NULL, key = NULL, last_error = ?,
     settled_at = ? WHERE id = ?`,
);
const RETRIED = sql<[number, number, string, number]>(
  "UPDATE media SET state = 'pending', due = ?, attempts = ?, last_error = ? WHERE id = ?",
);
const RESTARTED = sql<[number | null, string | null, number | null, number]>(
  `UPDATE media SET state = 'pending', due = ?, attempts = 0, spooled = NULL, last_error = ?, risk_at = ?, secured_at = NULL,
     settled_at = NULL WHERE id = ?`,
);
// A superseded row keeps its key, so that links to it can be answered with the copy that took its place.
const KEY_USED = sql<[string, number | null]>(
  "SELECT 1 FROM media WHERE key = ? AND target IS NOT DISTINCT FROM ? AND state <> 'superseded' LIMIT 1",
);
// It says twice what the state is not, because SQLite does not see that the index of live media serves it.
const UNBLOCK = sql<[number]>(
  `UPDATE media SET due = ${FIRST_TRY} + deadline WHERE video = ? AND state <> 'superseded' AND kind = 'thumbnail'
     AND state = 'pending' AND due IS NULL AND spooled IS NULL AND NOT EXISTS (SELECT 1 FROM media r
       WHERE r.video = media.video AND r.state <> 'superseded' AND r.kind = 'thumbnail' AND r.state = 'running')`,
);
export const keepKey = insert("former_keys", ["key", "medium"], "ON CONFLICT DO NOTHING");
const DROP_KEYS = sql<[number]>("DELETE FROM former_keys WHERE medium = ?");
const DROP_COPY_OF = sql<[number]>(
  "UPDATE media SET target = NULL, key = NULL, etag = NULL, last_modified = NULL WHERE id = ?",
);
const FORGET_VALIDATORS = sql<[number]>("UPDATE media SET etag = NULL, last_modified = NULL WHERE id = ?");

async function follow(tx: Tx, row: MediumRow, now: number): Promise<void> {
  if (row.kind === "thumbnail") tx.write(UNBLOCK, [row.video]);
  await gates.reconsider(tx, row.video, now);
}

/** Takes the upload of what the spool holds back: what it holds goes, and whatever was put but not written down. */
async function dropSpooled(tx: Tx, row: MediumRow, now: number): Promise<Place[]> {
  if ((await transfers.cancel(tx, "upload", row.id)) === null) return [];
  const { bytes } = JSON.parse(row.spooled!) as SpooledFile;
  const places = await transfers.takePlaces(tx, row.id);
  if (places.length === 0) transfers.add(tx, "delete", row.id, null, now);
  for (const place of places) transfers.add(tx, "delete", row.id, { ...place, bytes }, now);
  return places;
}

/** Removes what a download has written; of one that runs once its lease is over, by when it has ended. */
function dropPart(tx: Tx, row: MediumRow, now: number): void {
  transfers.add(tx, "delete", row.id, null, row.state === "running" ? now + LEASE : now);
}

/** A copy that its row has let go of is deleted, unless another row refers to it. */
export async function dropCopy(tx: Tx, { id, target, key }: MediumRow, at: number): Promise<void> {
  if (key !== null && !(await isWanted(tx, target, key))) transfers.add(tx, "delete", id, { target, key }, at);
}

/** So are those that moves have left of it. */
async function dropFormer(tx: Tx, { id }: MediumRow, now: number): Promise<void> {
  for (const copy of await former.take(tx, id)) transfers.add(tx, "delete", id, copy, now);
}

export async function isWanted(tx: Tx, target: number | null, key: string): Promise<boolean> {
  return (await tx.get(KEY_USED, [key, target])) !== undefined;
}

async function supersede(tx: Tx, row: MediumRow, by: MediumRow, now: number): Promise<Place[]> {
  tx.write(ENDED, ["superseded", row.last_error, now, row.id]);
  await transfers.cancel(tx, "erase", row.id);
  notices.passOn(tx, row.id, by.id);
  const places = await dropSpooled(tx, row, now);
  await dropCopy(tx, row, now);
  await dropFormer(tx, row, now);
  return places;
}

/** A newer thumbnail has overtaken this one: a copy that it has already stays until the newer one has its own. */
async function letGo(tx: Tx, row: MediumRow, by: MediumRow, now: number): Promise<Place[]> {
  if (row.key === null || by.key !== null) return supersede(tx, row, by, now);
  tx.write(ENDED, ["mirrored", null, now, row.id]);
  notices.passOn(tx, row.id, by.id);
  return dropSpooled(tx, row, now);
}

async function others(tx: Tx, row: MediumRow): Promise<MediumRow[]> {
  if (row.kind !== "thumbnail") return [];
  return (await media.live(tx, row.video, "thumbnail")).filter((other) => other.id !== row.id);
}

async function older(tx: Tx, row: MediumRow): Promise<MediumRow[]> {
  return (await others(tx, row)).filter((other) => other.sequence <= row.sequence);
}

/** Older thumbnails leave, now that a newer one has its copy. Returns where uploads that were taken back may have been put. */
async function supersedeOlder(tx: Tx, row: MediumRow, now: number): Promise<Place[]> {
  const places: Place[] = [];
  for (const other of await older(tx, row)) {
    if (other.state === "mirrored" || other.spooled !== null) places.push(...(await supersede(tx, other, row, now)));
  }
  return places;
}

/** What was put in the place of other thumbnails has left them without a copy: they are downloaded again. */
async function replaceAt(tx: Tx, row: MediumRow, { target, key, sha256 }: CopyFacts, now: number): Promise<void> {
  for (const other of await others(tx, row)) {
    if (other.key !== key || other.target !== target || other.sha256 === sha256) continue;
    keepKey(tx, { key, medium: other.id });
    tx.write(DROP_COPY_OF, [other.id]);
    if (other.state === "mirrored")
      await restart(tx, (await media.byId(tx, other.id))!, "another thumbnail was put in its place", now);
  }
}

/** Downloads it from the first attempt on, at once: for a fresher link, a lost file, an operator. */
export async function restart(tx: Tx, row: MediumRow, error: string | null, now: number): Promise<void> {
  const risk = nextRisk({ linkedAt: row.linked_at, deadline: row.deadline, now });
  await dropSpooled(tx, row, now);
  tx.write(RESTARTED, [await media.beginning(tx, row), error, row.key === null ? risk : null, row.id]);
  await follow(tx, row, now);
}

/** Downloads a medium that has a copy already again, whatever its validators say, to put it in the copy's place. */
export async function mend(tx: Tx, row: MediumRow, error: string, now: number): Promise<void> {
  tx.write(FORGET_VALIDATORS, [row.id]);
  await restart(tx, row, error, now);
}

/** Nothing of it is kept any longer: its copy, what is on its way, what the spool holds. No gate is looked at, and no notice made. */
export async function discard(tx: Tx, row: MediumRow, reason: string, now: number): Promise<void> {
  tx.write(DELETED, [reason, now, row.id]);
  tx.write(DROP_KEYS, [row.id]);
  transfers.hastenDeletions(tx, row.id, now);
  await dropSpooled(tx, row, now);
  if (row.due !== null) dropPart(tx, row, now);
  await transfers.cancel(tx, "erase", row.id);
  if (row.state !== "superseded") await dropCopy(tx, row, now);
  await dropFormer(tx, row, now);
}

/** The bytes are secured: from here on it is the upload's. */
export async function spool(tx: Tx, row: MediumRow, file: SpooledFile, now: number): Promise<void> {
  tx.write(SPOOLED, [JSON.stringify(file), now, row.id]);
  transfers.add(tx, "upload", row.id, null, now);
  for (const other of await older(tx, row)) if (other.spooled !== null) await letGo(tx, other, row, now);
  await follow(tx, row, now);
}

export async function mirror(tx: Tx, row: MediumRow, copy: CopyFacts, now: number): Promise<void> {
  const { target, key, bytes, sha256, contentType, suspect, etag, lastModified } = copy;
  const facts = { target, key, bytes, sha256, suspect, etag, content_type: contentType, last_modified: lastModified };
  mirrored(tx, row.id, { ...MIRRORED, ...facts, settled_at: now });
  tx.tally("media", row.kind, { isOk: true });
  if (row.key !== null && row.key !== key) keepKey(tx, { key: row.key, medium: row.id });
  if (row.key !== key || row.target !== target) await dropCopy(tx, row, now);
  // An older thumbnail was about to be put, or has been, over the copy that this one goes on with: that is not its end.
  const isOverwritten = (await supersedeOlder(tx, row, now)).some(
    (place) => place.key === key && place.target === target,
  );
  await replaceAt(tx, row, copy, now);
  const written = (await media.byId(tx, row.id))!;
  if (isOverwritten) return mend(tx, written, "an older thumbnail may be in its place: it is fetched again", now);
  await follow(tx, written, now);
  await notices.tellEnd(tx, written, now);
}

/** A download is tried again, as attempt number `attempts` + 1. */
export async function retry(
  tx: Tx,
  row: MediumRow,
  at: number,
  attempts: number,
  error: string,
  now: number,
): Promise<void> {
  tx.write(RETRIED, [at, attempts, error, row.id]);
  await follow(tx, row, now);
}

/** It comes to nothing; a copy that there is already stays. */
export async function end(
  tx: Tx,
  row: MediumRow,
  state: "failed" | "expired" | "skipped",
  error: string,
  now: number,
): Promise<void> {
  tx.write(ENDED, [row.key === null ? state : "mirrored", error, now, row.id]);
  if (state !== "skipped") tx.tally("media", row.kind, { isOk: false });
  await follow(tx, row, now);
  await notices.tellEnd(tx, (await media.byId(tx, row.id))!, now, { state, error });
}

/**
 * Supersedes a thumbnail that a newer one has overtaken; false: none has. Where it may have been put over the newer one's
 * copy, that one is fetched again.
 */
export async function giveWay(tx: Tx, row: MediumRow, now: number): Promise<boolean> {
  const by = await media.successor(tx, row);
  if (by === null) return false;
  const places = await letGo(tx, row, by, now);
  if (row.spooled === null && row.claims > 0) dropPart(tx, row, now);
  await follow(tx, row, now);
  const isOverwritten = places.some(({ target, key }) => target === by.target && key === by.key);
  if (isOverwritten && by.spooled === null) {
    await mend(tx, by, "an older thumbnail may be in its place: it is fetched again", now);
  } else if (by.state === "mirrored") await notices.tellOwed(tx, by, now);
  return true;
}

/** Keeps nothing of it any longer, and notifies the endpoints to which it was sent as pending. */
export async function remove(tx: Tx, row: MediumRow, reason: string, now: number): Promise<void> {
  await discard(tx, row, reason, now);
  await follow(tx, row, now);
  await notices.tellEnd(tx, (await media.byId(tx, row.id))!, now);
}
