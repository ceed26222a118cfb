import type { SpooledFile, UploadJob, UploadOutcome } from "../../domain.ts";
import { isPartOnly } from "../../part-only.ts";
import type { ClaimWish } from "../store.ts";
import { readId, showId } from "./ids.ts";
import type { MediaRows, MediumRow } from "./media.ts";
import type { MediaEnds } from "./media-ends.ts";
import type { Sql } from "./sql.ts";
import type { TransferRow, Transfers } from "./transfers.ts";

/** Claims and settles uploads, inside a transaction. */
export function createUploads(db: Sql, media: MediaRows, ends: MediaEnds, transfers: Transfers) {
  const otherCopy = db.prepare(
    "SELECT 1 FROM media WHERE video = ? AND state <> 'superseded' AND kind = 'video' AND key IS NOT NULL AND id <> ? LIMIT 1",
  );
  const videoId = db.prepare<[number], { video_id: string }>("SELECT video_id FROM videos WHERE id = ?");
  const failed = db.prepare("UPDATE media SET last_error = ? WHERE id = ?");

  function toJob(row: TransferRow, medium: MediumRow): UploadJob {
    const { key, target, sha256 } = medium;
    return {
      id: showId("job", row.id),
      queue: "upload",
      attempts: row.attempts,
      claim: row.claims,
      eventId: showId("evt", medium.event),
      videoId: videoId.get(medium.video)!.video_id,
      mediumId: showId("med", medium.id),
      kind: medium.kind,
      file: JSON.parse(medium.spooled!) as SpooledFile,
      isSecond: medium.kind === "video" && otherCopy.get(medium.video, medium.id) !== undefined,
      own:
        key === null || target === null
          ? null
          : { target: showId("tgt", target), key, sha256: sha256!, isWhole: !isPartOnly(medium) },
    };
  }

  return {
    claim: (wish: ClaimWish): UploadJob[] =>
      transfers.claim("upload", wish).map((row) => toJob(row, media.byId(row.medium)!)),

    refresh(job: UploadJob, until: number): UploadJob | null {
      const row = transfers.held(job);
      if (row === null) return null;
      transfers.renew(job, until);
      return toJob(row, media.byId(row.medium)!);
    },

    place(job: UploadJob, copy: { target: string; key: string }): boolean {
      const row = transfers.held(job);
      if (row !== null) transfers.place(row, readId("tgt", copy.target), copy.key);
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
      if (outcome.is === "lost") {
        // What an earlier attempt may have put goes; the new one is put after it.
        if (row.key !== null) transfers.add("delete", medium.id, { ...row, bytes: job.file.bytes }, now);
        ends.restart(medium, outcome.error, now);
      } else ends.mirror(medium, { ...job.file, target: readId("tgt", outcome.target), key: outcome.key }, now);
      return { settled: true };
    },
  };
}
