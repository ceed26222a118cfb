import { RelayError } from "../../errors.ts";
import type { DeliveryRow, Lanes } from "./lanes.ts";
import type { MediumRow } from "./media.ts";
import type { MediaEnds } from "./media-ends.ts";
import type { Quarantine } from "./quarantine.ts";
import type { Sql } from "./sql.ts";

/** Superseded media are in no index of their video's; each is in an event that announced it. */
const MEDIA = `SELECT m.id FROM events e JOIN media m ON m.id IN (e.video_medium, e.thumbnail_medium) WHERE e.video = ?`;

/** Erases what is known of a video, inside a transaction; what stays are ids, types and times. */
export function createForgetting(db: Sql, ends: MediaEnds, lanes: Lanes, quarantine: Pick<Quarantine, "dropOf">) {
  /** `hasMore`: something came since it was erased. */
  const find = db.prepare<[string], { id: number; forgotten_at: number | null; hasMore: number }>(
    `SELECT id, forgotten_at, sequence > forgotten_through OR EXISTS (SELECT 1 FROM imports WHERE video = v.id) AS hasMore
     FROM videos v WHERE video_id = ?`,
  );
  const media = db.prepare<[number], MediumRow>(`SELECT * FROM media WHERE id IN (${MEDIA}) ORDER BY id`);
  const unsettled = db.prepare<[number], DeliveryRow>(
    "SELECT * FROM deliveries WHERE video = ? AND settled_at IS NULL ORDER BY id DESC",
  );
  const dropOwed = db.prepare(`DELETE FROM owed WHERE medium IN (${MEDIA})`);
  // One table each; the video is the only parameter.
  const erasures = [
    `UPDATE media SET url = '', host = '', key = NULL, target = NULL, bytes = NULL, sha256 = NULL, content_type = NULL,
       suspect = NULL, etag = NULL, last_modified = NULL, duration = NULL WHERE id IN (${MEDIA})`,
    "DELETE FROM duplicates WHERE event IN (SELECT id FROM events WHERE video = ?)",
    `UPDATE attempts SET error = NULL, response = NULL WHERE delivery IN (SELECT d.id FROM events e JOIN deliveries d
       ON d.id BETWEEN e.id + 1 AND e.id + e.deliveries WHERE e.video = ?)`,
    `UPDATE attempts SET error = NULL, response = NULL WHERE delivery IN (SELECT d.id FROM events e JOIN deliveries d
       ON d.event = e.id AND d.replay > 0 WHERE e.video = ?)`,
    "DELETE FROM past_contexts WHERE video = ?",
    "DELETE FROM imports WHERE video = ?",
    `UPDATE annotations SET context = NULL, context_at = NULL WHERE event IN (SELECT id FROM events WHERE video = ?)`,
  ].map((text) => db.prepare(text));
  const eraseEvents = db.prepare("UPDATE events SET body = NULL, context = NULL WHERE video = ?");
  const eraseVideo = db.prepare(
    // What its next event may be a duplicate of stays: the provider's repetition brings nothing back.
    `UPDATE videos SET context = NULL, context_since = NULL, state = 'deleted', has_file = 0, title = NULL, title_at = NULL,
       duration = NULL, duration_at = NULL, forgotten_through = sequence, forgotten_at = ? WHERE id = ?`,
  );

  return (videoId: string, now: number): { events: number; media: number; refused: number } => {
    const refused = quarantine.dropOf(videoId);
    const video = find.get(videoId);
    if (video === undefined) {
      if (refused === 0) throw new RelayError("not_found", `no video ${JSON.stringify(videoId.slice(0, 80))}`);
      return { events: 0, media: 0, refused };
    }
    if (video.forgotten_at !== null && video.hasMore === 0 && refused === 0) {
      const at = new Date(video.forgotten_at).toISOString();
      throw new RelayError("conflict", `the video was erased already, at ${at}`);
    }
    const { id } = video;
    // The newest first, so that none begins because an earlier one of its lane has ended.
    for (const row of unsettled.all(id)) {
      lanes.settle({ ...row, state: "pending" }, "canceled", "the video was erased on request", now);
    }
    // Nobody is told: a notice would name what is to be forgotten.
    dropOwed.run(id);
    const rows = media.all(id);
    for (const row of rows) ends.erase(row, "erased on request", now);
    for (const erasure of erasures) erasure.run(id);
    eraseVideo.run(now, id);
    return { events: eraseEvents.run(id).changes, media: rows.length, refused };
  };
}
