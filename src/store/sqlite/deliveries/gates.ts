import type { MediaState } from "../../../model/medium.ts";
import { gateDue } from "../../../rules/gate.ts";
import { isOnItsWay, type MediaRows } from "../media/rows.ts";
import type { Sql } from "../rows/sql.ts";
import type { DeliveryRow, Lanes } from "./lanes.ts";

type Waiting = DeliveryRow & {
  received_at: number;
  thumbnail_medium: number | null;
  video_state: MediaState | null;
  thumbnail_state: MediaState | null;
};

type EventMedia = { received_at: number; video_medium: number | null; thumbnail_medium: number | null };

const STATES = `
  e.received_at, e.thumbnail_medium,
  (SELECT state FROM media WHERE id = e.video_medium) AS video_state,
  (SELECT state FROM media WHERE id = e.thumbnail_medium) AS thumbnail_state`;

/** The gates of deliveries that wait for media (CONTRACT, "The gate"), inside a transaction. */
export function createGates(db: Sql, lanes: Lanes, media: MediaRows) {
  const waiting = db.prepare<[number], Waiting>(
    `SELECT d.*, ${STATES} FROM deliveries d JOIN events e ON e.id = d.event
     WHERE d.video = ? AND d.settled_at IS NULL AND d.state = 'waiting' ORDER BY d.id`,
  );
  const stateOf = db.prepare<[number], { state: MediaState }>("SELECT state FROM media WHERE id = ?");
  const eventOf = db.prepare<[number], EventMedia>(
    "SELECT received_at, video_medium, thumbnail_medium FROM events WHERE id = ?",
  );
  const state = (medium: number | null) => (medium === null ? null : (stateOf.get(medium)?.state ?? null));

  /** A thumbnail that was superseded is as unsettled as the one that takes its place, while that has no copy. */
  function stateOfThumbnail(medium: number | null, own: MediaState | null): MediaState | null {
    if (medium === null || own !== "superseded") return own;
    const speaker = media.speaker(media.byId(medium)!);
    return isOnItsWay(speaker) && speaker.key === null ? speaker.state : own;
  }

  /** When the gate of an event, with these media, opens by itself; null: it is open now. */
  function of(
    event: { receivedAt: number; gateUntil: number; video: number | null; thumbnail: number | null },
    now: number,
  ): number | null {
    const thumbnail = stateOfThumbnail(event.thumbnail, state(event.thumbnail));
    return gateDue({ ...event, video: state(event.video), thumbnail, now });
  }

  return {
    of,

    /** When the gate of a delivery opens, which may have ended before it did; null: it has opened, and stays open. */
    shutUntil(row: DeliveryRow, now: number): number | null {
      if (row.state === "waiting") return row.due;
      if (row.gate_until === null) return null;
      const { received_at, video_medium, thumbnail_medium } = eventOf.get(row.event)!;
      const media = { video: video_medium, thumbnail: thumbnail_medium };
      return of({ receivedAt: received_at, gateUntil: row.gate_until, ...media }, now);
    },

    /** Media of this video have changed: gates that may open now do, others get their new time. */
    reconsider(video: number, now: number): void {
      for (const row of waiting.all(video)) {
        const gate = gateDue({
          receivedAt: row.received_at,
          gateUntil: row.gate_until ?? now,
          video: row.video_state,
          thumbnail: stateOfThumbnail(row.thumbnail_medium, row.thumbnail_state),
          now,
        });
        if (gate !== row.due) lanes.setGate(row, gate, now);
      }
    },

    /** The video was deleted: nothing waits for its media any longer. */
    openAll(video: number, now: number): void {
      for (const row of waiting.all(video)) lanes.setGate(row, null, now);
    },
  };
}

export type Gates = ReturnType<typeof createGates>;
