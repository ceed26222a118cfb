import { Buffer } from "node:buffer";
import type { SaidOfMedium } from "../../../model/delivery.ts";
import type { MediaState } from "../../../model/medium.ts";
import type { NoticeType } from "../../../model/notice.ts";
import { readersOf } from "../../../rules/topics.ts";
import type { StoreSettings } from "../../store.ts";
import { isOnItsWay, type MediaRows, type MediumRow } from "../media/rows.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";
import type { DeliveryRow, Lanes } from "./lanes.ts";

type Reader = { endpoint: string; ordered: boolean };
/** `waits`: 1: the endpoint was last told "pending"; 0: that there is no copy. */
type Owed = { event: number; endpoint: string; ordered: number; waits: number };

const MIRRORED: NoticeType = "relay.media.mirrored";
const FAILED: NoticeType = "relay.media.failed";

/**
 * What the relay itself has to tell (CONTRACT, "Notices"), inside a transaction: an event of its own in the lane of its
 * video, stored only where somebody gets it. Never about a notice: they have no media, and their deliveries tell nothing.
 */
export function createNotices(
  db: Sql,
  ids: Ids,
  lanes: Lanes,
  media: MediaRows,
  settings: Readonly<Pick<StoreSettings, "endpoints">>,
) {
  const insert = db.prepare(
    `INSERT INTO events (id, received_at, video, sequence, type, dialect, failure, context, source, video_medium,
       thumbnail_medium, deliveries, body) VALUES (?, ?, ?, ?, ?, 'notice', 0, ?, 'relay', ?, ?, ?, ?)`,
  );
  const video = db.prepare<[number], { video_id: string; context: string | null }>(
    "SELECT video_id, context FROM videos WHERE id = ?",
  );
  // A row stays until its medium has a copy, also while mirroring is off for good: 32 bytes for a medium, event and endpoint,
  // where the event itself takes 700 (an autosave) to 2,500 (a film and its thumbnail).
  const owe = db.prepare(
    `INSERT INTO owed (medium, event, endpoint, ordered, waits) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET waits = excluded.waits`,
  );
  const owedOf = db.prepare<[number], Owed>(
    "SELECT event, endpoint, ordered, waits FROM owed WHERE medium = ? ORDER BY event",
  );
  const announced = db.prepare<[number], { thumbnail_medium: number | null }>(
    "SELECT thumbnail_medium FROM events WHERE id = ?",
  );
  const settleOwed = db.prepare("DELETE FROM owed WHERE medium = ?");
  const passOn = db.prepare("UPDATE OR IGNORE owed SET medium = ? WHERE medium = ?");

  function tell(type: NoticeType, row: MediumRow, about: number, reason: string, readers: Reader[], now: number): void {
    if (readers.length === 0) return;
    const { video_id, context } = video.get(row.video)!;
    const id = ids.block(1 + readers.length);
    const body = {
      type,
      wochitVideoId: video_id,
      videoContext: context,
      relay: { aboutEventId: ids.show("evt", about), at: new Date(now).toISOString(), reason },
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
  function endOf(row: MediumRow): { type: NoticeType; reason: string } | null {
    switch (row.state) {
      case "pending":
      case "running":
        return null;
      case "mirrored":
        return { type: MIRRORED, reason: row.suspect ?? "the copy is kept" };
      default:
        return { type: FAILED, reason: row.last_error ?? row.state };
    }
  }

  /**
   * The medium that now speaks for the one that an event announced: where that was superseded by one that comes to nothing,
   * another may have a copy, or be on its way.
   */
  function speakerFor(event: number, row: MediumRow): MediumRow {
    const own = row.kind === "video" ? row.id : announced.get(event)?.thumbnail_medium;
    const medium = own == null || own === row.id ? undefined : media.byId(own);
    const speaker = medium === undefined ? row : media.speaker(medium);
    return speaker.state === "mirrored" || isOnItsWay(speaker) ? speaker : row;
  }

  function passTo(speaker: MediumRow, { event, endpoint, ordered, waits }: Owed, now: number): void {
    const end = endOf(speaker);
    if (end === null) owe.run(speaker.id, event, endpoint, ordered, waits);
    else tell(end.type, speaker, event, end.reason, [{ endpoint, ordered: ordered === 1 }], now);
  }

  /** Those that are owed this end are told it, with those that ask for it by name; who is told of no copy is owed one still. */
  function tellThem(row: MediumRow, end: { type: NoticeType; reason: string }, asked: Reader[], now: number): void {
    const isCopy = end.type === MIRRORED;
    const owed = owedOf.all(row.id);
    if (owed.length > 0) settleOwed.run(row.id);
    const readers = new Map<number, Map<string, Reader>>([
      [row.event, new Map(asked.map((reader) => [reader.endpoint, reader]))],
    ]);
    for (const one of owed) {
      const { event, endpoint, ordered, waits } = one;
      const speaker = isCopy ? row : speakerFor(event, row);
      if (speaker.id !== row.id) {
        passTo(speaker, one, now);
        continue;
      }
      if (event !== row.event && asked.some((reader) => reader.endpoint === endpoint)) continue;
      if (!isCopy) owe.run(row.id, event, endpoint, ordered, 0);
      if (!isCopy && waits === 0) continue;
      const ofEvent = readers.get(event) ?? new Map<string, Reader>();
      readers.set(event, ofEvent.set(endpoint, { endpoint, ordered: ordered === 1 }));
    }
    if (!isCopy) for (const { endpoint, ordered } of asked) owe.run(row.id, row.event, endpoint, ordered ? 1 : 0, 0);
    for (const [event, of] of readers) tell(end.type, row, event, end.reason, [...of.values()], now);
  }

  return {
    /** A medium is at risk: nothing of it is secured, and so much of its link's life is over. */
    tellRisk(row: MediumRow, share: number, now: number): void {
      const type: NoticeType = "relay.media.at_risk";
      const reason = `${Math.round(share * 100)} % of the link's life is over${row.last_error === null ? "" : `: ${row.last_error}`}`;
      const readers = readersOf(type, settings.endpoints);
      tell(type, row, row.event, reason, readers, now);
      for (const { endpoint, ordered } of readers) owe.run(row.id, row.event, endpoint, ordered ? 1 : 0, 1);
    },

    /**
     * A medium has ended: told to those that ask for it by name, to those that were last told that it is pending, and, where
     * there is a copy, to all that were told anything else. `came` is what became of its download, where that came to nothing
     * and the row says "mirrored" of the copy that there was.
     */
    tellEnd(row: MediumRow, now: number, came?: { state: MediaState; error: string }): void {
      const end = came ? { type: FAILED, reason: came.error } : endOf(row);
      if (end === null) return;
      // What was skipped or deleted on purpose has not failed: only those that wait for it are told.
      const isTold = ["mirrored", "failed", "expired"].includes(came?.state ?? row.state);
      tellThem(row, end, isTold ? readersOf(end.type, settings.endpoints) : [], now);
    },

    /** Others' places have become this medium's, which has ended before: those that they owed its end are told it. */
    tellOwed(row: MediumRow, now: number): void {
      const end = endOf(row);
      if (end !== null) tellThem(row, end, [], now);
    },

    /** What an endpoint was told of media that were not mirrored: it is told how they end; at once, where they have meanwhile. */
    owe(delivery: DeliveryRow, said: SaidOfMedium[], now: number): void {
      for (const { mediumId, status } of said) {
        const sent = media.byId(ids.read("med", mediumId));
        if (!sent) continue;
        const row = media.speaker(sent);
        const end = endOf(row);
        const isWaiting = status === "pending";
        const isNews = end !== null && (isWaiting || end.type === MIRRORED);
        const reader = { endpoint: delivery.endpoint, ordered: delivery.ordered === 1 };
        if (isNews) tell(end.type, row, delivery.event, end.reason, [reader], now);
        if (end?.type === MIRRORED) continue;
        owe.run(row.id, delivery.event, reader.endpoint, delivery.ordered, end === null && isWaiting ? 1 : 0);
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
