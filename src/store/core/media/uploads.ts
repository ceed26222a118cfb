import type { UploadJob, UploadOutcome } from "../../../model/job.ts";
import type { SpooledFile } from "../../../model/medium.ts";
import { isPartOnly } from "../../../rules/part-only.ts";
import type { ClaimWish, Store } from "../../store.ts";
import { hasFresherLink } from "../events/announcements.ts";
import { sql, type Tx } from "../tx.ts";
import type { MediumRow } from "./rows.ts";
import * as media from "./rows.ts";
import * as ends from "./settle.ts";
import type { TransferRow } from "./transfers.ts";
import * as transfers from "./transfers.ts";

// Claims and settles uploads.

const OTHER_COPY = sql<[number, number]>(
  "SELECT 1 FROM media WHERE video = ? AND state <> 'superseded' AND kind = 'video' AND key IS NOT NULL AND id <> ? LIMIT 1",
);
const FAILED = sql<[string, number]>("UPDATE media SET last_error = ? WHERE id = ?");

async function toJob(tx: Tx, row: TransferRow, medium: MediumRow): Promise<UploadJob> {
  const { key, target, sha256 } = medium;
  return {
    ...(await transfers.toJob(tx, row)),
    queue: "upload",
    kind: medium.kind,
    file: JSON.parse(medium.spooled!) as SpooledFile,
    isRepeated: row.claims > 1,
    isSecond: medium.kind === "video" && (await tx.get(OTHER_COPY, [medium.video, medium.id])) !== undefined,
    own:
      key === null || target === null
        ? null
        : { target: tx.ids.show("tgt", target), key, sha256: sha256!, isWhole: !isPartOnly(medium) },
  };
}

/** Null: a newer thumbnail has overtaken it. */
async function jobOf(tx: Tx, row: TransferRow, now: number): Promise<UploadJob | null> {
  const medium = (await media.byId(tx, row.medium))!;
  return (await ends.giveWay(tx, medium, now)) ? null : await toJob(tx, row, medium);
}

export async function claim(tx: Tx, wish: ClaimWish): Promise<UploadJob[]> {
  const jobs: UploadJob[] = [];
  for (const row of await transfers.claim(tx, "upload", wish)) {
    const job = await jobOf(tx, row, wish.now);
    if (job !== null) jobs.push(job);
  }
  return jobs;
}

export async function refresh(tx: Tx, job: UploadJob, leaseFor: number): Promise<UploadJob | null> {
  const now = tx.now();
  const row = await transfers.rowOf(tx, job);
  if (row === null) return null;
  await transfers.renew(tx, job, leaseFor, now);
  return jobOf(tx, row, now);
}

export async function place(
  tx: Tx,
  job: UploadJob,
  { target, key, passed = [] }: Parameters<Store["placeUpload"]>[1],
): Promise<boolean> {
  const row = await transfers.rowOf(tx, job);
  if (row !== null) transfers.place(tx, row, { target: tx.ids.read("tgt", target), key }, passed);
  return row !== null;
}

export async function settle(
  tx: Tx,
  job: UploadJob,
  outcome: UploadOutcome,
  now: number,
): Promise<{ settled: boolean }> {
  const row = await transfers.rowOf(tx, job);
  if (row === null) return { settled: false };
  const medium = (await media.byId(tx, row.medium))!;
  if (outcome.is === "retry") {
    transfers.retry(tx, row, outcome.at, outcome.error, now);
    tx.write(FAILED, [outcome.error, medium.id]);
    return { settled: true };
  }
  transfers.done(tx, row);
  const copy = outcome.is === "lost" ? null : { target: tx.ids.read("tgt", outcome.target), key: outcome.key };
  // What earlier attempts may have put elsewhere goes; of a lost file, all of it: the new one is put after that.
  for (const place of await transfers.takePlaces(tx, medium.id)) {
    if (place.target === copy?.target && place.key === copy.key) continue;
    transfers.add(tx, "delete", medium.id, { ...place, bytes: job.file.bytes }, now);
  }
  if (outcome.is === "lost") await ends.restart(tx, medium, outcome.error, now);
  else {
    await ends.mirror(tx, medium, { ...job.file, ...copy! }, now);
    if (hasFresherLink(medium) && tx.settings.mirror.enabled)
      await ends.restart(tx, (await media.byId(tx, medium.id))!, null, now);
  }
  return { settled: true };
}
