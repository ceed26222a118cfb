import type { MediaKind, MediaState, PlannedMedium } from "../../../model/medium.ts";
import { gateDue } from "../../../rules/gate.ts";
import * as media from "../media/rows.ts";
import { isOnItsWay } from "../media/rows.ts";
import { sql, type Tx } from "../tx.ts";
import type { DeliveryRow, Opener } from "./lanes.ts";
import * as lanes from "./lanes.ts";

/** What the gates of an event's deliveries depend on. */
type EventMedia = {
  received_at: number;
  thumbnail_medium: number | null;
  video_state: MediaState | null;
  thumbnail_state: MediaState | null;
};

type States = Record<MediaKind, MediaState | null>;

const EVENT_MEDIA = `e.received_at, e.thumbnail_medium,
  (SELECT state FROM media WHERE id = e.video_medium) AS video_state,
  (SELECT state FROM media WHERE id = e.thumbnail_medium) AS thumbnail_state`;

// The gates of deliveries that wait for media (CONTRACT, "The gate").

const WAITING = sql<[number], DeliveryRow & EventMedia>(
  `SELECT d.*, ${EVENT_MEDIA} FROM deliveries d JOIN events e ON e.id = d.event
   WHERE d.video = ? AND d.settled_at IS NULL AND d.state = 'waiting' ORDER BY d.id`,
);
const EVENT_OF = sql<[number], EventMedia>(`SELECT ${EVENT_MEDIA} FROM events e WHERE e.id = ?`);
const STATES_OF = sql<[number | null, number | null], States>(
  `SELECT (SELECT state FROM media WHERE id = ?) AS video, (SELECT state FROM media WHERE id = ?) AS thumbnail`,
);

/** A thumbnail that was superseded is as unsettled as the one that takes its place, while that has no copy. */
async function stateOfThumbnail(tx: Tx, medium: number | null, own: MediaState | null): Promise<MediaState | null> {
  if (medium === null || own !== "superseded") return own;
  const speaker = await media.speaker(tx, (await media.byId(tx, medium))!);
  return isOnItsWay(speaker) && speaker.key === null ? speaker.state : own;
}

async function dueOf(tx: Tx, event: EventMedia, gateUntil: number, now: number): Promise<number | null> {
  const thumbnail = await stateOfThumbnail(tx, event.thumbnail_medium, event.thumbnail_state);
  return gateDue({ receivedAt: event.received_at, gateUntil, video: event.video_state, thumbnail, now });
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

/** The same of media that were filed as the first of their video: none of them has met another. */
export function statesOfFirst(media: PlannedMedium[]): States {
  const states: States = { ...NO_MEDIA };
  for (const { kind, refused } of media) states[kind] = refused?.state ?? "pending";
  return states;
}

/** When the gate of a delivery opens, which may have ended before it did; null: it has opened, and stays open. */
export async function shutUntil(tx: Tx, row: DeliveryRow, now: number): Promise<number | null> {
  if (row.state === "waiting") return row.due;
  if (row.gate_until === null) return null;
  return dueOf(tx, (await tx.get(EVENT_OF, [row.event]))!, row.gate_until, now);
}

/** What opens a gate whose time has come. */
export function openerOf({ due, gate_until }: DeliveryRow): Opener {
  return gate_until !== null && due !== null && due < gate_until ? "thumbnail" : "maxWait";
}

/** Media of this video have changed: gates that may open now do, others get their new time. */
export async function reconsider(tx: Tx, video: number, now: number): Promise<void> {
  for (const row of await tx.all(WAITING, [video])) {
    const gate = await dueOf(tx, row, row.gate_until ?? now, now);
    if (gate !== row.due) await lanes.setGate(tx, row, gate ?? "settled", now);
  }
}

/** The video was deleted: nothing waits for its media any longer. */
export async function openAll(tx: Tx, video: number, now: number): Promise<void> {
  for (const row of await tx.all(WAITING, [video])) await lanes.setGate(tx, row, "delete", now);
}
