import type Database from "better-sqlite3";
import type { MediaState, Medium } from "../../domain.ts";
import { RelayError } from "../../errors.ts";
import type { Store } from "../store.ts";
import { readId } from "./ids.ts";
import type { Jobs } from "./jobs.ts";
import { MEDIUM_COLUMNS, type MediaRows, type MediumRow, toMedium } from "./media.ts";
import { page } from "./page.ts";

type Shown = MediumRow & { video_id: string; shown_state: MediaState };

/** Media as operators and readers see them, inside a transaction. */
export function createMediaLists(db: Database.Database, jobs: Jobs, media: MediaRows) {
  const byId = db.prepare<[number], Shown>(`SELECT ${MEDIUM_COLUMNS} WHERE m.id = ?`);
  const byKey = db.prepare<[string], Shown>(
    `SELECT ${MEDIUM_COLUMNS} WHERE m.key = ? ORDER BY m.sequence DESC LIMIT 1`,
  );
  const revive = db.prepare("UPDATE media SET state = 'pending', job = ?, last_error = NULL WHERE id = ?");

  function rowOf(id: string): Shown {
    const row = byId.get(readId("med", id));
    if (!row) throw new RelayError("not_found", `no medium "${id}"`);
    return row;
  }

  return {
    show: (id: string): Medium => toMedium(rowOf(id)),
    byKey(key: string): Medium | null {
      const row = byKey.get(key);
      return row ? toMedium(row) : null;
    },

    list(wish: Parameters<Store["media"]>[0]): Medium[] {
      const list = page<Shown>(db, MEDIUM_COLUMNS, "m.id", "med", wish);
      if (wish.state !== undefined) list.where("shown_state = ?", wish.state);
      if (wish.videoId !== undefined) list.where("v.video_id = ?", wish.videoId);
      if (wish.kind !== undefined) list.where("m.kind = ?", wish.kind);
      return list.all().map(toMedium);
    },

    retry(id: string, now: number): void {
      const row = rowOf(id);
      const job = row.job === null ? undefined : jobs.byId(row.job);
      if (row.state === "pending" && job?.state === "pending") {
        if (!jobs.leads(job)) throw new RelayError("conflict", `${id} waits for an earlier download of its video`);
        jobs.restart(job, now);
        return;
      }
      if (row.host === "") throw new RelayError("conflict", `${id} cannot be downloaded: ${row.last_error}`);
      if (row.state !== "failed" && row.state !== "expired" && row.state !== "skipped") {
        throw new RelayError(
          "conflict",
          `${id} is ${row.shown_state}; only failed, expired and skipped media are retried`,
        );
      }
      if (media.isOutdated(row)) throw new RelayError("conflict", `${id} has been overtaken by a newer thumbnail`);
      const download = { ...row, medium: row.id, videoIsNew: false };
      revive.run(jobs.addDownload(download), row.id);
    },
  };
}
