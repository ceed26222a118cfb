import { Buffer } from "node:buffer";
import type { MediaState } from "../../domain.ts";
import { readersOf } from "../../plan.ts";
import type { StoreSettings } from "../store.ts";
import { type Ids, readId, showId } from "./ids.ts";
import type { DeliveryRow, Lanes } from "./lanes.ts";
import type { MediumRow } from "./media.ts";
import type { Sql } from "./sql.ts";

type Reader = { endpoint: string; ordered: boolean };
type Owed = { event: number; endpoint: string; ordered: number };

/**
 * What the relay itself has to tell (CONTRACT, "Notices"), inside a transaction: an event of its own in the lane of its
 * video, stored only where somebody gets it. Never about a notice: they have no media, and their deliveries tell nothing.
 */
export function createNotices(db: Sql, ids: Ids, lanes: Lanes, settings: Readonly<Pick<StoreSettings, "endpoints">>) {
  const insert = db.prepare(
    `INSERT INTO events (id, received_at, video, sequence, type, dialect, failure, context, source, video_medium,
       thumbnail_medium, deliveries, body) VALUES (?, ?, ?, ?, ?, 'notice', 0, ?, 'relay', ?, ?, ?, ?)`,
  );
  const video = db.prepare<[number], { video_id: string; context: string | null }>(
    "SELECT video_id, context FROM videos WHERE id = ?",
  );
  const medium = db.prepare<[number], MediumRow>("SELECT * FROM media WHERE id = ?");
  const liveThumbnail = db.prepare<[number], MediumRow>(
    "SELECT * FROM media WHERE video = ? AND kind = 'thumbnail' AND state <> 'superseded' ORDER BY sequence DESC LIMIT 1",
  );
  const owe = db.prepare("INSERT OR IGNORE INTO owed (medium, event, endpoint, ordered) VALUES (?, ?, ?, ?)");
  const owedOf = db.prepare<[number], Owed>(
    "SELECT event, endpoint, ordered FROM owed WHERE medium = ? ORDER BY event",
  );
  const settleOwed = db.prepare("DELETE FROM owed WHERE medium = ?");
  const passOn = db.prepare("UPDATE OR IGNORE owed SET medium = ? WHERE medium = ?");

  function tell(type: string, row: MediumRow, about: number, reason: string, readers: Reader[], now: number): void {
    if (readers.length === 0) return;
    const { video_id, context } = video.get(row.video)!;
    const id = ids.block(1 + readers.length);
    const body = {
      type,
      wochitVideoId: video_id,
      videoContext: context,
      relay: { aboutEventId: showId("evt", about), at: new Date(now).toISOString(), reason },
    };
    const [ofVideo, ofThumbnail] = row.kind === "video" ? [row.id, null] : [null, row.id];
    // No sequence: a number that no event of the provider's has keeps the row apart.
    const bytes = Buffer.from(JSON.stringify(body));
    insert.run(id, now, row.video, -id, type, context, ofVideo, ofThumbnail, readers.length, bytes);
    for (const [index, { endpoint, ordered }] of readers.entries()) {
      const lane = { id: id + 1 + index, video: row.video, endpoint, ordered: ordered ? 1 : 0, event: id };
      lanes.add({ ...lane, videoIsNew: false, gateUntil: null, gate: null, replay: 0 }, now);
    }
  }

  /** How a medium that has ended is called, and why it ended so; null: it has not, or goes on. */
  function endOf(row: MediumRow): { type: string; reason: string } | null {
    switch (row.state) {
      case "pending":
      case "running":
        return null;
      case "mirrored":
        return { type: "relay.media.mirrored", reason: row.suspect ?? "the copy is kept" };
      default:
        return { type: "relay.media.failed", reason: row.last_error ?? row.state };
    }
  }

  return {
    /** A medium is at risk: nothing of it is secured, and so much of its link's life is over. */
    tellRisk(row: MediumRow, share: number, now: number): void {
      const type = "relay.media.at_risk";
      const reason = `${Math.round(share * 100)} % of the link's life is over${row.last_error === null ? "" : `: ${row.last_error}`}`;
      tell(type, row, row.event, reason, readersOf(type, settings.endpoints), now);
    },

    /**
     * A medium has ended: whoever asks for it by name is told, and whoever was sent it as pending. `came` is what became of
     * its download, where that came to nothing and the row says "mirrored" of the copy that there was.
     */
    tellEnd(row: MediumRow, now: number, came?: { state: MediaState; error: string }): void {
      const end = came ? { type: "relay.media.failed", reason: came.error } : endOf(row);
      if (end === null) return;
      // What was skipped or deleted on purpose has not failed: only who waits for it is told.
      const isTold = ["mirrored", "failed", "expired"].includes(came?.state ?? row.state);
      const asked = isTold ? readersOf(end.type, settings.endpoints) : [];
      const owed = owedOf.all(row.id);
      settleOwed.run(row.id);
      const readers = new Map<number, Map<string, Reader>>([
        [row.event, new Map(asked.map((reader) => [reader.endpoint, reader]))],
      ]);
      for (const { event, endpoint, ordered } of owed) {
        if (event !== row.event && asked.some((reader) => reader.endpoint === endpoint)) continue;
        const ofEvent = readers.get(event) ?? new Map<string, Reader>();
        readers.set(event, ofEvent.set(endpoint, { endpoint, ordered: ordered === 1 }));
      }
      for (const [event, of] of readers) tell(end.type, row, event, end.reason, [...of.values()], now);
    },

    /** An endpoint was sent these media as pending: it is told how they end; at once, where they have ended meanwhile. */
    owe(delivery: DeliveryRow, mediumIds: string[], now: number): void {
      for (const id of mediumIds) {
        const sent = medium.get(readId("med", id));
        const row = sent?.state === "superseded" ? (liveThumbnail.get(sent.video) ?? sent) : sent;
        if (!row) continue;
        const end = endOf(row);
        const reader = { endpoint: delivery.endpoint, ordered: delivery.ordered === 1 };
        if (end === null) owe.run(row.id, delivery.event, reader.endpoint, delivery.ordered);
        else tell(end.type, row, delivery.event, end.reason, [reader], now);
      }
    },

    /** Who waits for a medium waits for the one that took its place. */
    passOn(from: number, to: number): void {
      passOn.run(to, from);
      settleOwed.run(from);
    },
  };
}

export type Notices = ReturnType<typeof createNotices>;
