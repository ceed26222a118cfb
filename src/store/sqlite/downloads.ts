import type { DownloadJob, DownloadOutcome, Job } from "../../domain.ts";
import { RelayError } from "../../errors.ts";
import type { ClaimWish } from "../store.ts";
import type { Gates } from "./gates.ts";
import { readId, showId } from "./ids.ts";
import type { MediaRows, MediumRow } from "./media.ts";
import type { Sql } from "./sql.ts";

/** A scan over hosts stops here, so that a flood of made-up ones cannot make a claim slow. */
const MAX_HOSTS = 200;

/** Claims and settles downloads, inside a transaction. */
export function createDownloads(db: Sql, media: MediaRows, gates: Gates) {
  const firstTries = db.prepare<[string, number], MediumRow>(
    "SELECT * FROM media WHERE host = ? AND due <= 0 ORDER BY due LIMIT ?",
  );
  const repeated = db.prepare<[string, number, number], MediumRow>(
    "SELECT * FROM media WHERE host = ? AND due > 0 AND due <= ? ORDER BY deadline LIMIT ?",
  );
  const nextHost = db.prepare<[string], { host: string }>(
    "SELECT host FROM media WHERE due IS NOT NULL AND host > ? ORDER BY host LIMIT 1",
  );
  const firstDue = db.prepare<[string], { due: number | null }>(
    "SELECT min(due) AS due FROM media WHERE host = ? AND due IS NOT NULL",
  );
  const lease = db.prepare("UPDATE media SET state = 'running', due = ?, claims = claims + 1 WHERE id = ?");
  const renew = db.prepare("UPDATE media SET due = ? WHERE id = ? AND claims = ? AND state = 'running'");
  const free = db.prepare("UPDATE media SET state = 'pending', due = ? WHERE due IS NOT NULL AND state = 'running'");
  const leased = db.prepare<[], MediumRow>("SELECT * FROM media WHERE due IS NOT NULL AND state = 'running'");
  const unsettled = db.prepare<[], MediumRow>("SELECT * FROM media WHERE state = 'pending' OR state = 'running'");
  const bringForward = db.prepare("UPDATE media SET due = due - ? WHERE due > 0");
  const restart = db.prepare(
    "UPDATE media SET state = 'pending', due = ?, attempts = 0, last_error = NULL WHERE id = ?",
  );
  const otherCopy = db.prepare(
    "SELECT 1 FROM media WHERE video = ? AND state <> 'superseded' AND kind = 'video' AND key IS NOT NULL AND id <> ? LIMIT 1",
  );
  const about = db.prepare<[number, number], { received_at: number; video_id: string }>(
    "SELECT (SELECT received_at FROM events WHERE id = ?) AS received_at, video_id FROM videos WHERE id = ?",
  );

  /** Where the last scan of the hosts ended: the next one begins behind it, so that none is left out for ever. */
  let behind = "";

  /** Hosts for which something is scheduled. */
  function hosts(): string[] {
    const found = new Set<string>();
    for (let row = nextHost.get(behind) ?? nextHost.get(""); row && found.size < MAX_HOSTS; ) {
      if (found.has(row.host)) break;
      found.add(row.host);
      behind = row.host;
      row = nextHost.get(row.host) ?? nextHost.get("");
    }
    return [...found];
  }

  /** Of each host the best few, then the best of all: first tries before repeated ones, each by deadline. */
  function candidates(wish: ClaimWish & { busyHosts: string[] }): MediumRow[] {
    const free = hosts().filter((host) => !wish.busyHosts.includes(host));
    const byDeadline = (a: MediumRow, b: MediumRow) => a.deadline - b.deadline;
    const first = free.flatMap((host) => firstTries.all(host, wish.limit)).sort(byDeadline);
    if (first.length >= wish.limit) return first.slice(0, wish.limit);
    const later = free.flatMap((host) => repeated.all(host, wish.now, wish.limit)).sort(byDeadline);
    return [...first, ...later].slice(0, wish.limit);
  }

  function giveUp(row: MediumRow, now: number): boolean {
    if (!media.isOutdated(row)) return false;
    media.giveUp(row);
    gates.reconsider(row.video, now);
    return true;
  }

  function toJob(row: MediumRow): DownloadJob {
    const previous = media.previous(row);
    const { received_at, video_id } = about.get(row.event, row.video)!;
    return {
      id: showId("med", row.id),
      queue: "download",
      attempts: row.attempts,
      claim: row.claims + 1,
      eventId: showId("evt", row.event),
      videoId: video_id,
      failingSince: null,
      mediumId: showId("med", row.id),
      kind: row.kind,
      url: row.url,
      host: row.host,
      deadline: row.deadline,
      isSecond: row.kind === "video" && otherCopy.get(row.video, row.id) !== undefined,
      receivedAt: received_at,
      previous: previous && {
        key: previous.key!,
        bytes: previous.bytes!,
        sha256: previous.sha256!,
        contentType: previous.content_type!,
        suspect: previous.suspect,
        etag: previous.etag,
        lastModified: previous.last_modified,
      },
    };
  }

  return {
    claim(wish: ClaimWish & { busyHosts: string[] }): DownloadJob[] {
      return candidates(wish).flatMap((row) => {
        if (giveUp(row, wish.now)) return [];
        lease.run(wish.leaseUntil, row.id);
        return [toJob(row)];
      });
    },
    renew: (job: Job, until: number) => renew.run(until, readId("med", job.id), job.claim).changes === 1,

    settle(job: DownloadJob, outcome: DownloadOutcome, now: number): { settled: boolean; obsolete: string[] } {
      const row = media.byId(readId("med", job.id));
      if (row?.state !== "running" || row.claims !== job.claim) return { settled: false, obsolete: [] };
      const obsolete = media.settle(row, job.url, outcome);
      if (outcome.is !== "retry" || !giveUp({ ...row, state: "pending" }, now)) gates.reconsider(row.video, now);
      return { settled: true, obsolete };
    },

    /** When a download comes due: now (0), where a first try waits. */
    nextDue(): number | null {
      const times = hosts().flatMap((host) => firstDue.get(host)?.due ?? []);
      return times.length === 0 ? null : Math.max(0, Math.min(...times));
    },

    /** Downloads a medium again, from attempt 0, at once; RelayError("conflict") where that makes no sense. */
    retry(row: MediumRow): void {
      const id = showId("med", row.id);
      if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: ${row.last_error}`);
      if (!["pending", "failed", "expired", "skipped"].includes(row.state)) {
        throw new RelayError(
          "conflict",
          `${id} is ${row.state}; only pending, failed, expired and skipped media are retried`,
        );
      }
      if (row.state === "pending" && row.due === null) {
        throw new RelayError("conflict", `${id} waits for an earlier download of its video's thumbnail`);
      }
      if (media.isOutdated(row)) throw new RelayError("conflict", `${id} has been overtaken by a newer thumbnail`);
      restart.run(media.beginning(row), row.id);
    },

    freeLeases(now: number): number {
      const running = leased.all();
      free.run(now);
      for (const row of running) giveUp({ ...row, state: "pending" }, now);
      return running.length;
    },
    bringForward: (by: number) => void bringForward.run(by),

    /** Mirroring is off: what was to be downloaded is skipped, and holds no delivery. */
    skipAll(now: number): void {
      for (const row of unsettled.all()) {
        media.skip(row);
        gates.reconsider(row.video, now);
      }
    },
  };
}
