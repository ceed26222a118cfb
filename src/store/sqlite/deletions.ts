import type { DeletionJob, DeletionOutcome, Plan } from "../../domain.ts";
import type { ClaimWish } from "../store.ts";
import { showId } from "./ids.ts";
import type { MediaRows } from "./media.ts";
import type { MediaEnds } from "./media-ends.ts";
import type { Sql } from "./sql.ts";
import type { TransferRow, Transfers } from "./transfers.ts";

/** At most this many media of deleted videos become deletions in one claim. */
const AT_ONCE = 100;

/** Plans, claims and settles deletions, inside a transaction. */
export function createDeletions(db: Sql, media: MediaRows, ends: MediaEnds, transfers: Transfers) {
  const about = db.prepare<[number], { event: number; video_id: string }>(
    "SELECT m.event, v.video_id FROM media m JOIN videos v ON v.id = m.video WHERE m.id = ?",
  );

  function toJob(row: TransferRow): DeletionJob {
    const { event, video_id } = about.get(row.medium)!;
    return {
      id: showId("job", row.id),
      queue: "delete",
      attempts: row.attempts,
      claim: row.claims,
      eventId: showId("evt", event),
      videoId: video_id,
      mediumId: showId("med", row.medium),
      copy:
        row.key === null || row.target === null
          ? null
          : { target: showId("tgt", row.target), key: row.key, bytes: row.bytes },
    };
  }

  return {
    /**
     * A video, or its draft, was deleted: downloads under way end now, copies go when the time has come. An event that
     * announces a medium again takes that back (`keep`).
     */
    plan(video: number, { what, at }: NonNullable<Plan["deletes"]>, now: number): void {
      const rows = (["video", "thumbnail"] as const)
        .flatMap((kind) => media.live(video, kind))
        .filter((row) => what === "video" || (row.kind === "thumbnail" && row.changes === 1));
      for (const row of rows) {
        const isSecured = row.key !== null || row.spooled !== null;
        if (!isSecured && (row.state === "pending" || row.state === "running")) {
          ends.delete(row, "the video was deleted before its copy was made", now);
          continue;
        }
        if (!isSecured) continue;
        // A thumbnail that is fetched anew keeps the copy that it has till then.
        if (row.due !== null) ends.end(row, "skipped", "the video was deleted", now);
        transfers.cancel("erase", row.id);
        transfers.add("erase", row.id, null, at);
      }
    },

    keep: (medium: number) => void transfers.cancel("erase", medium),

    claim(wish: ClaimWish): DeletionJob[] {
      for (const { medium } of transfers.due("erase", wish.now, AT_ONCE)) {
        ends.delete(media.byId(medium)!, "deleted after the video was", wish.now);
      }
      return transfers.claim("delete", wish).map(toJob);
    },

    settle(job: DeletionJob, outcome: DeletionOutcome, now: number): { settled: boolean } {
      const row = transfers.held(job);
      if (row === null) return { settled: false };
      if (outcome.is === "retry") transfers.retry(row, outcome.at, outcome.error, now);
      else transfers.done(row);
      return { settled: true };
    },
  };
}

export type Deletions = ReturnType<typeof createDeletions>;
