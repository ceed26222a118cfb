import type { DeletionJob, DeletionOutcome } from "../../../model/job.ts";
import type { Plan } from "../../../model/plan.ts";
import type { ClaimWish } from "../../store.ts";
import { wasAnnouncedSince } from "../events/announcements.ts";
import type { Tx } from "../tx.ts";
import * as media from "./rows.ts";
import { isOnItsWay, type MediumRow, waitsForMirroring } from "./rows.ts";
import * as ends from "./settle.ts";
import type { TransferRow } from "./transfers.ts";
import * as transfers from "./transfers.ts";

/** At most this many media of deleted videos become deletions in one claim. */
const AT_ONCE = 100;

/** `receivedAt`: when the deletion was received; `isReady`: the video was produced, and nothing has deleted it since. */
type PlannedDeletion = NonNullable<Plan["deletes"]> & { receivedAt: number; isReady: boolean };

// Plans, claims and settles deletions.

async function toJob(tx: Tx, row: TransferRow): Promise<DeletionJob> {
  const { target, key, bytes } = row;
  const copy = key === null || target === null ? null : { target: tx.ids.show("tgt", target), key, bytes };
  return { ...(await transfers.toJob(tx, row)), queue: "delete", copy };
}

/**
 * A video, or its draft, was deleted: when the time has come its copies go, and what is on its way. An event that
 * announces a medium again takes that back (`keep`); what an event has announced that was received later stays.
 */
export async function plan(tx: Tx, video: number, deletion: PlannedDeletion, now: number): Promise<void> {
  const { what, at, isReady } = deletion;
  if (what === "draft" && isReady) return;
  const live = await Promise.all([media.live(tx, video, "video"), media.live(tx, video, "thumbnail")]);
  const rows = live
    .flat()
    .filter((row) => what === "video" || (row.kind === "thumbnail" && row.changes === 1))
    .filter((row) => comesOrIsKept(row) && !wasAnnouncedSince(row, { ...deletion, now }));
  for (const row of rows) {
    // A thumbnail that is fetched anew keeps the copy that it has till then.
    const isRefetched = row.due !== null || waitsForMirroring(row);
    if (row.key !== null && isRefetched) await ends.end(tx, row, "skipped", "the video was deleted", now);
    await transfers.cancel(tx, "erase", row.id);
    transfers.add(tx, "erase", row.id, null, at);
  }
}

/** Takes the planned deletion of a medium back. */
export async function keep(tx: Tx, medium: number): Promise<void> {
  await transfers.cancel(tx, "erase", medium);
}

export async function claim(tx: Tx, wish: ClaimWish): Promise<DeletionJob[]> {
  for (const { medium } of await transfers.due(tx, "erase", wish.now, AT_ONCE)) {
    if (tx.settings.mirror.onDelete === "keep") await transfers.cancel(tx, "erase", medium);
    else await ends.remove(tx, (await media.byId(tx, medium))!, "deleted after the video was", wish.now);
  }
  return Promise.all((await transfers.claim(tx, "delete", wish)).map((row) => toJob(tx, row)));
}

export async function settle(
  tx: Tx,
  job: DeletionJob,
  outcome: DeletionOutcome,
  now: number,
): Promise<{ settled: boolean }> {
  const row = await transfers.rowOf(tx, job);
  if (row === null) return { settled: false };
  if (outcome.is === "retry") transfers.retry(tx, row, outcome.at, outcome.error, now);
  else transfers.done(tx, row);
  return { settled: true };
}

/** There is a copy of it, or there will be. */
function comesOrIsKept(row: MediumRow): boolean {
  return row.key !== null || isOnItsWay(row) || waitsForMirroring(row);
}
