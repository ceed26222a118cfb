import type { UploadJob, UploadOutcome } from "../../../model/job.ts";
import type { SpooledFile } from "../../../model/medium.ts";
import { isPartOnly } from "../../../rules/part-only.ts";
import type { ClaimWish, Store, StoreSettings } from "../../store.ts";
import { hasFresherLink } from "../events/announcements.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";
import type { MediaRows, MediumRow } from "./rows.ts";
import type { MediaEnds } from "./settle.ts";
import type { TransferRow, Transfers } from "./transfers.ts";

/** Claims and settles uploads, inside a transaction. */
export function createUploads(
  db: Sql,
  ids: Ids,
  media: MediaRows,
  ends: MediaEnds,
  transfers: Transfers,
  settings: Readonly<Pick<StoreSettings, "isMirroring">>,
) {
  const otherCopy = db.prepare(
    "SELECT 1 FROM media WHERE video = ? AND state <> 'superseded' AND kind = 'video' AND key IS NOT NULL AND id <> ? LIMIT 1",
  );
  const videoId = db.prepare<[number], { video_id: string }>("SELECT video_id FROM videos WHERE id = ?");
  const failed = db.prepare("UPDATE media SET last_error = ? WHERE id = ?");

  function toJob(row: TransferRow, medium: MediumRow): UploadJob {
    const { key, target, sha256 } = medium;
    return {
      id: ids.show("job", row.id),
      queue: "upload",
      attempts: row.attempts,
      claim: ids.claim(row.claims),
      eventId: ids.show("evt", medium.event),
      videoId: videoId.get(medium.video)!.video_id,
      mediumId: ids.show("med", medium.id),
      kind: medium.kind,
      file: JSON.parse(medium.spooled!) as SpooledFile,
      isRepeated: row.claims > 1,
      isSecond: medium.kind === "video" && otherCopy.get(medium.video, medium.id) !== undefined,
      own:
        key === null || target === null
          ? null
          : { target: ids.show("tgt", target), key, sha256: sha256!, isWhole: !isPartOnly(medium) },
    };
  }

  /** Null: a newer thumbnail has overtaken it. */
  function jobOf(row: TransferRow, now: number): UploadJob | null {
    const medium = media.byId(row.medium)!;
    return ends.giveWay(medium, now) ? null : toJob(row, medium);
  }

  return {
    claim: (wish: ClaimWish): UploadJob[] =>
      transfers.claim("upload", wish).flatMap((row) => jobOf(row, wish.now) ?? []),

    refresh(job: UploadJob, leaseFor: number, now: number): UploadJob | null {
      const row = transfers.held(job);
      if (row === null) return null;
      transfers.renew(job, leaseFor, now);
      return jobOf(row, now);
    },

    place(job: UploadJob, { target, key, passed = [] }: Parameters<Store["placeUpload"]>[1]): boolean {
      const row = transfers.held(job);
      if (row !== null) transfers.place(row, { target: ids.read("tgt", target), key }, passed);
      return row !== null;
    },

    settle(job: UploadJob, outcome: UploadOutcome, now: number): { settled: boolean } {
      const row = transfers.held(job);
      if (row === null) return { settled: false };
      const medium = media.byId(row.medium)!;
      if (outcome.is === "retry") {
        transfers.retry(row, outcome.at, outcome.error, now);
        failed.run(outcome.error, medium.id);
        return { settled: true };
      }
      transfers.done(row);
      const copy = outcome.is === "lost" ? null : { target: ids.read("tgt", outcome.target), key: outcome.key };
      // What earlier attempts may have put elsewhere goes; of a lost file, all of it: the new one is put after that.
      for (const place of transfers.takePlaces(medium.id)) {
        if (place.target === copy?.target && place.key === copy.key) continue;
        transfers.add("delete", medium.id, { ...place, bytes: job.file.bytes }, now);
      }
      if (outcome.is === "lost") ends.restart(medium, outcome.error, now);
      else {
        ends.mirror(medium, { ...job.file, ...copy! }, now);
        if (hasFresherLink(medium) && settings.isMirroring) ends.restart(media.byId(medium.id)!, null, now);
      }
      return { settled: true };
    },
  };
}
