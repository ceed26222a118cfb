import type { MediaState } from "../../../model/medium.ts";
import { gateDue } from "../../../rules/gate.ts";
import * as media from "../media/rows.ts";
import { isOnItsWay } from "../media/rows.ts";
import { sql, type Tx } from "../tx.ts";
import type { DeliveryRow } from "./lanes.ts";
import * as lanes from "./lanes.ts";

type Waiting = DeliveryRow & {
  received_at: number;
  thumbnail_medium: number | null;
  video_state: MediaState | null;
  thumbnail_state: MediaState | null;
};

type States = { video: MediaState | null; thumbnail: MediaState | null };

type EventMedia = { received_at: number; video_medium: number | null; thumbnail_medium: number | null };

const STATES = `
  e.received_at, e.thumbnail_medium,
  (SELECT state FROM media WHERE id = e.video_medium) AS video_state,
  (SELECT state FROM media WHERE id = e.thumbnail_medium) AS thumbnail_state`;

// The gates of deliveries that wait for media (CONTRACT, "The gate").

const WAITING = sql<[number], Waiting>(
  `SELECT d.*, ${STATES} FROM deliveries d JOIN events e ON e.id = d.event
   WHERE d.video = ? AND d.settled_at IS NULL AND d.state = 'waiting' ORDER BY d.id`,
);
const STATES_OF = sql<[number | null, number | null], States>(
  `SELECT (SELECT state FROM media WHERE id = ?) AS video, (SELECT state FROM media WHERE id = ?) AS thumbnail`,
);
const EVENT_OF = sql<[number], EventMedia>(
  "SELECT received_at, video_medium, thumbnail_medium FROM events WHERE id = ?",
);

/** A thumbnail that was superseded is as unsettled as the one that takes its place, while that has no copy. */
async function stateOfThumbnail(tx: Tx, medium: number | null, own: MediaState | null): Promise<MediaState | null> {
  if (medium === null || own !== "superseded") return own;
  const speaker = await media.speaker(tx, (await media.byId(tx, medium))!);
  return isOnItsWay(speaker) && speaker.key === null ? speaker.state : own;
}

export const NO_MEDIA: States = { video: null, thumbnail: null };

/** The states of an event's media, as far as its gates are concerned. */
export async function statesOf(
  tx: Tx,
  { video, thumbnail }: { video: number | null; thumbnail: number | null },
): Promise<States> {
  const states = (await tx.get(STATES_OF, [video, thumbnail]))!;
  if (states.thumbnail !== "superseded") return states;
  return { ...states, thumbnail: await stateOfThumbnail(tx, thumbnail, states.thumbnail) };
}

/** When the gate of a delivery opens, which may have ended before it did; null: it has opened, and stays open. */
export async function shutUntil(tx: Tx, row: DeliveryRow, now: number): Promise<number | null> {
  if (row.state === "waiting") return row.due;
  if (row.gate_until === null) return null;
  const { received_at, video_medium, thumbnail_medium } = (await tx.get(EVENT_OF, [row.event]))!;
  const states = await statesOf(tx, { video: video_medium, thumbnail: thumbnail_medium });
  return gateDue({ receivedAt: received_at, gateUntil: row.gate_until, ...states, now });
}

/** Media of this video have changed: gates that may open now do, others get their new time. */
export async function reconsider(tx: Tx, video: number, now: number): Promise<void> {
  for (const row of await tx.all(WAITING, [video])) {
    const gate = gateDue({
      receivedAt: row.received_at,
      gateUntil: row.gate_until ?? now,
      video: row.video_state,
      thumbnail: await stateOfThumbnail(tx, row.thumbnail_medium, row.thumbnail_state),
      now,
    });
    if (gate !== row.due) await lanes.setGate(tx, row, gate, now);
  }
}

/** The video was deleted: nothing waits for its media any longer. */
export async function openAll(tx: Tx, video: number, now: number): Promise<void> {
  for (const row of await tx.all(WAITING, [video])) await lanes.setGate(tx, row, null, now);
}
