import type { DeletionJob, DeletionOutcome } from "../../../model/job.ts";
import type { Plan } from "../../../model/plan.ts";
import type { ClaimWish, StoreSettings } from "../../store.ts";
import { wasAnnouncedSince } from "../events/announcements.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";
import { isOnItsWay, type MediaRows, type MediumRow, waitsForMirroring } from "./rows.ts";
import type { MediaEnds } from "./settle.ts";
import type { TransferRow, Transfers } from "./transfers.ts";

/** At most this many media of deleted videos become deletions in one claim. */
const AT_ONCE = 100;

/** `receivedAt`: when the deletion was received; `isReady`: the video was produced, and nothing has deleted it since. */
type PlannedDeletion = NonNullable<Plan["deletes"]> & { receivedAt: number; isReady: boolean };

/** Plans, claims and settles deletions, inside a transaction. */
export function createDeletions(
  db: Sql,
  ids: Ids,
  media: MediaRows,
  ends: MediaEnds,
  transfers: Transfers,
  settings: Readonly<Pick<StoreSettings, "keepsDeleted">>,
) {
  const about = db.prepare<[number], { event: number; video_id: string }>(
    "SELECT m.event, v.video_id FROM media m JOIN videos v ON v.id = m.video WHERE m.id = ?",
  );

  function toJob(row: TransferRow): DeletionJob {
    const { event, video_id } = about.get(row.medium)!;
    return {
      id: ids.show("job", row.id),
      queue: "delete",
      attempts: row.attempts,
      claim: ids.claim(row.claims),
      eventId: ids.show("evt", event),
      videoId: video_id,
      mediumId: ids.show("med", row.medium),
      copy:
        row.key === null || row.target === null
          ? null
          : { target: ids.show("tgt", row.target), key: row.key, bytes: row.bytes },
    };
  }

  return {
    /**
     * A video, or its draft, was deleted: when the time has come its copies go, and what is on its way. An event that
     * announces a medium again takes that back (`keep`); what an event has announced that was received later stays.
     */
    plan(video: number, deletion: PlannedDeletion, now: number): void {
      const { what, at, isReady } = deletion;
      if (what === "draft" && isReady) return;
      const rows = (["video", "thumbnail"] as const)
        .flatMap((kind) => media.live(video, kind))
        .filter((row) => what === "video" || (row.kind === "thumbnail" && row.changes === 1))
        .filter((row) => comesOrIsKept(row) && !wasAnnouncedSince(row, { ...deletion, now }));
      for (const row of rows) {
        // A thumbnail that is fetched anew keeps the copy that it has till then.
        const isRefetched = row.due !== null || waitsForMirroring(row);
        if (row.key !== null && isRefetched) ends.end(row, "skipped", "the video was deleted", now);
        transfers.cancel("erase", row.id);
        transfers.add("erase", row.id, null, at);
      }
    },

    keep: (medium: number) => void transfers.cancel("erase", medium),

    claim(wish: ClaimWish): DeletionJob[] {
      for (const { medium } of transfers.due("erase", wish.now, AT_ONCE)) {
        if (settings.keepsDeleted) transfers.cancel("erase", medium);
        else ends.delete(media.byId(medium)!, "deleted after the video was", wish.now);
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

/** There is a copy of it, or there will be. */
function comesOrIsKept(row: MediumRow): boolean {
  return row.key !== null || isOnItsWay(row) || waitsForMirroring(row);
}

export type Deletions = ReturnType<typeof createDeletions>;
