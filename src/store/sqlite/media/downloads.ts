import { RelayError } from "../../../errors.ts";
import type { DownloadJob, DownloadOutcome, Job } from "../../../model/job.ts";
import { isPartOnly, NOT_WHOLE } from "../../../rules/part-only.ts";
import { MIRRORING_OFF, NO_HOST } from "../../../rules/plan.ts";
import { LATEST_TIME } from "../../../rules/plausible-time.ts";
import type { ClaimWish, StoreSettings } from "../../store.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";
import { copyOf, type MediaRows, type MediumRow } from "./rows.ts";
import type { MediaEnds } from "./settle.ts";
import type { Transfers } from "./transfers.ts";

/** A scan over hosts stops here, so that a flood of made-up ones cannot make a claim slow. */
const MAX_HOSTS = 200;

/** At most this many media that were skipped while mirroring was off are taken up in one claim. */
const TAKEN_UP_AT_ONCE = 100;

/** Claims and settles downloads, inside a transaction. */
export function createDownloads(
  db: Sql,
  ids: Ids,
  media: MediaRows,
  ends: MediaEnds,
  transfers: Transfers,
  settings: Readonly<Pick<StoreSettings, "isMirroring">>,
) {
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
  // What is in the spool is secured: its upload goes on.
  const unsettled = db.prepare<[], MediumRow>(
    "SELECT * FROM media WHERE (state = 'pending' OR state = 'running') AND spooled IS NULL",
  );
  const skippedWhileOff = db.prepare<[number], MediumRow>(
    `SELECT * FROM media INDEXED BY media_off
     WHERE state IN ('skipped', 'mirrored') AND last_error = '${MIRRORING_OFF}' ORDER BY id LIMIT ?`,
  );
  const wait = db.prepare("UPDATE media SET due = NULL WHERE id = ?");
  const bringForward = db.prepare("UPDATE media SET due = due - ? WHERE due > 0");
  // Links that came while the clock was ahead would live until then.
  const ageLinks = db.prepare(
    `UPDATE media SET linked_at = linked_at - ?, deadline = deadline - ?, risk_at = risk_at - ?
     WHERE due IS NOT NULL AND linked_at > ?`,
  );
  const neverDue = db.prepare(`UPDATE media SET due = ? WHERE due >= ${LATEST_TIME}`);
  const scheduled = db.prepare<[], { id: number }>("SELECT id FROM media WHERE due IS NOT NULL");
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

  /** Mirroring is on again: what was skipped because it was off is downloaded. */
  function takeUp(now: number): void {
    for (const row of skippedWhileOff.all(TAKEN_UP_AT_ONCE)) {
      if (row.host === "") ends.end(row, "failed", NO_HOST, now);
      else ends.restart(row, null, now);
    }
  }

  function toJob(row: MediumRow): DownloadJob {
    const previous = media.previous(row);
    const { received_at, video_id } = about.get(row.event, row.video)!;
    return {
      id: ids.show("med", row.id),
      queue: "download",
      attempts: row.attempts,
      claim: ids.claim(row.claims + 1),
      eventId: ids.show("evt", row.event),
      videoId: video_id,
      mediumId: ids.show("med", row.id),
      kind: row.kind,
      url: row.url,
      host: row.host,
      deadline: row.deadline,
      receivedAt: received_at,
      duration: row.duration,
      previous: previous?.target == null ? null : copyOf(ids, previous),
      hasCopy: row.key !== null,
    };
  }

  function retry(row: MediumRow, outcome: Extract<DownloadOutcome, { is: "retry" }>, now: number): void {
    if (ends.giveWay({ ...row, state: "pending" }, now)) return;
    const attempts = outcome.own ? row.attempts : outcome.progressed ? 1 : row.attempts + 1;
    ends.retry(row, outcome.at, attempts, outcome.error, now);
  }

  return {
    claim(wish: ClaimWish & { busyHosts: string[] }): DownloadJob[] {
      if (settings.isMirroring) takeUp(wish.now);
      return candidates(wish).flatMap((row) => {
        if (ends.giveWay(row, wish.now)) return [];
        if (media.isBlocked(row)) {
          wait.run(row.id);
          return [];
        }
        lease.run(wish.now + wish.leaseFor, row.id);
        return [toJob(row)];
      });
    },
    renew: (job: Job, leaseFor: number, now: number) =>
      renew.run(now + leaseFor, ids.find("med", job.id), ids.claimed(job.claim)).changes === 1,

    settle(job: DownloadJob, outcome: DownloadOutcome, now: number): { settled: boolean } {
      const row = media.byId(ids.find("med", job.id));
      if (row?.state !== "running" || row.claims !== ids.claimed(job.claim)) return { settled: false };
      if (outcome.is === "spooled") {
        if (!ends.giveWay({ ...row, state: "pending" }, now)) ends.spool(row, outcome.file, now);
      } else if (outcome.is === "unchanged")
        ends.mirror(row, { ...outcome.copy, target: ids.read("tgt", outcome.copy.target) }, now);
      // A failure says nothing of a fresher link that has come meanwhile: that one is tried at once, from attempt 0.
      else if (row.url !== job.url) ends.restart({ ...row, state: "pending" }, outcome.error, now);
      else if (outcome.is === "retry") retry(row, outcome, now);
      else ends.end(row, outcome.is, outcome.error, now);
      return { settled: true };
    },

    /** When a download comes due: now (0), where a first try waits. */
    nextDue(): number | null {
      if (settings.isMirroring && skippedWhileOff.get(1) !== undefined) return 0;
      const times = hosts().flatMap((host) => firstDue.get(host)?.due ?? []);
      return times.length === 0 ? null : Math.max(0, Math.min(...times));
    },

    /** Downloads a medium again, from attempt 0, at once, also one of which only part was kept; RelayError("conflict") where that makes no sense. */
    retry(row: MediumRow, now: number): void {
      const id = ids.show("med", row.id);
      if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: ${row.last_error}`);
      if (!["pending", "failed", "expired", "skipped"].includes(row.state) && !isPartOnly(row)) {
        throw new RelayError(
          "conflict",
          `${id} is ${row.state}; only pending, failed, expired and skipped media are retried, and those that are ${NOT_WHOLE}`,
        );
      }
      if (row.spooled !== null) return transfers.hasten(row.id, now);
      if (row.state === "pending" && row.due === null) {
        throw new RelayError("conflict", `${id} waits for an earlier download of its video's thumbnail`);
      }
      if (media.successor(row)) throw new RelayError("conflict", `${id} has been overtaken by a newer thumbnail`);
      ends.restart(row, null, now);
    },

    /** Downloads a mirrored medium again, to put what it gets in the place of a copy that is missing or rotten. */
    mend(row: MediumRow, now: number): void {
      const id = ids.show("med", row.id);
      if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: its link is not kept`);
      if (row.state !== "mirrored")
        throw new RelayError("conflict", `${id} is ${row.state}; only mirrored media are mended`);
      ends.mend(row, "its copy is missing or damaged: it is fetched again", now);
    },

    /** A video that came to nothing, whose file has turned up: its download finds it. */
    revive(id: number, now: number): void {
      const row = media.byId(id);
      const isLost = row?.kind === "video" && row.key === null && (row.state === "failed" || row.state === "expired");
      if (isLost) ends.restart(row, row.last_error, now);
    },
    /** Whether the spool must keep what it has of a medium. */
    isSpooled(id: number): boolean {
      const row = media.byId(id);
      return row !== undefined && (row.due !== null || row.spooled !== null);
    },
    /** Media whose download has begun, or will. */
    scheduled: () => scheduled.all().map(({ id }) => id),

    freeLeases(now: number): number {
      const running = leased.all();
      free.run(now);
      for (const row of running) ends.giveWay({ ...row, state: "pending" }, now);
      return running.length;
    },
    mendDue: (now: number) => void neverDue.run(now),
    bringForward(by: number, now: number): void {
      bringForward.run(by);
      ageLinks.run(by, by, by, now);
    },

    /** Mirroring is off: what was to be downloaded is skipped, and holds no delivery. */
    skipAll(now: number): void {
      for (const row of unsettled.all()) ends.end(row, "skipped", MIRRORING_OFF, now);
    },
  };
}
