import type Database from "better-sqlite3";
import type { DownloadJob, DownloadOutcome, Job } from "../../domain.ts";
import type { ClaimWish } from "../store.ts";
import type { Gates } from "./gates.ts";
import { readId, showId } from "./ids.ts";
import { DOWNLOAD, type JobRow, type Jobs } from "./jobs.ts";
import type { MediaRows, MediumRow } from "./media.ts";

type Claimable = JobRow & { medium: number; received_at: number; video_id: string };

/** Claims and settles downloads, inside a transaction. */
export function createDownloads(db: Database.Database, jobs: Jobs, media: MediaRows, gates: Gates) {
  const due = db.prepare<[string, number, number], Claimable & { deadline: number }>(
    `SELECT j.*, m.deadline, e.received_at, v.video_id FROM jobs j
       JOIN media m ON m.id = j.medium JOIN events e ON e.id = j.event JOIN videos v ON v.id = j.video
     WHERE j.queue = ? AND j.due <= ? ORDER BY j.due LIMIT ?`,
  );
  const repeated = db.prepare<[string, number, number], Claimable & { deadline: number }>(
    `SELECT j.*, m.deadline, e.received_at, v.video_id FROM jobs j
       JOIN media m ON m.id = j.medium JOIN events e ON e.id = j.event JOIN videos v ON v.id = j.video
     WHERE j.queue = ? AND j.due > 0 AND j.due <= ? ORDER BY m.deadline LIMIT ?`,
  );

  /** Per host the best few, then the best of all: first tries before repeated ones, each by deadline. */
  function candidates(wish: ClaimWish & { busyHosts: string[] }): Claimable[] {
    const busy = new Set(wish.busyHosts.map((host) => DOWNLOAD + host));
    const queues = jobs.queues(DOWNLOAD).filter((queue) => !busy.has(queue));
    const first = queues.flatMap((queue) => due.all(queue, 0, wish.limit)).sort((a, b) => a.deadline - b.deadline);
    if (first.length >= wish.limit) return first.slice(0, wish.limit);
    const later = queues
      .flatMap((queue) => repeated.all(queue, wish.now, wish.limit))
      .sort((a, b) => a.deadline - b.deadline);
    return [...first, ...later].slice(0, wish.limit);
  }

  function toJob(row: Claimable, medium: MediumRow): DownloadJob {
    const previous = media.previous(medium);
    return {
      id: showId("dlv", row.id),
      queue: "download",
      attempts: row.attempts,
      claim: row.claims,
      eventId: showId("evt", row.event),
      videoId: row.video_id,
      failingSince: row.failing_since,
      mediumId: showId("med", medium.id),
      kind: medium.kind,
      url: medium.url,
      host: medium.host,
      deadline: medium.deadline,
      receivedAt: row.received_at,
      previous: previous && {
        key: previous.key!,
        bytes: previous.bytes ?? 0,
        sha256: previous.sha256 ?? "",
        contentType: previous.content_type ?? "",
        suspect: previous.suspect,
        etag: previous.etag,
        lastModified: previous.last_modified,
      },
    };
  }

  /** A thumbnail that a newer one has overtaken is not worth a download. */
  function superseded(row: JobRow, medium: MediumRow, now: number): boolean {
    if (!media.isOutdated(medium)) return false;
    media.giveUp(medium);
    jobs.settle(row, "canceled", "superseded by a newer thumbnail", now);
    gates.reconsider(row.video, now);
    return true;
  }

  return {
    claim(wish: ClaimWish & { busyHosts: string[] }): DownloadJob[] {
      return candidates(wish).flatMap((row) => {
        const medium = media.byId(row.medium);
        if (!medium || superseded(row, medium, wish.now)) return [];
        return [toJob({ ...row, ...jobs.lease(row, wish.leaseUntil) } as Claimable, medium)];
      });
    },

    settle(job: Job, outcome: DownloadOutcome, now: number): { settled: boolean; obsolete: string[] } {
      const row = jobs.claimed(readId("dlv", job.id), job.claim);
      if (!row || row.medium === null) return { settled: false, obsolete: [] };
      const obsolete = media.settle(row.medium, outcome);
      if (outcome.is === "retry") {
        const medium = media.byId(row.medium);
        if (!medium || !superseded(row, medium, now)) jobs.retry(row, outcome.at, null, outcome.error, now);
        return { settled: true, obsolete };
      }
      const state = outcome.is === "mirrored" ? "delivered" : "dead";
      jobs.settle(row, state, outcome.is === "mirrored" ? null : outcome.error, now);
      gates.reconsider(row.video, now);
      return { settled: true, obsolete };
    },

    /** When a download comes due; now, where a first try waits. */
    nextDue(): number | null {
      const times = jobs.queues(DOWNLOAD).flatMap((queue) => jobs.firstDue(queue) ?? []);
      return times.length === 0 ? null : Math.max(0, Math.min(...times));
    },
  };
}
