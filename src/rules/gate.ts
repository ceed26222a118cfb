import type { MediaState } from "../model/medium.ts";

/** How long a delivery waits when only its thumbnail is missing, in milliseconds (CONTRACT, "The gate"). */
const THUMBNAIL_HOLD = 30_000;

/**
 * The time until which the gate of an `after-mirror` delivery is closed; null: it is open.
 * `video` and `thumbnail` are the states of the event's media, null where it announced none.
 */
export function gateDue(gate: {
  receivedAt: number;
  gateUntil: number;
  video: MediaState | null;
  thumbnail: MediaState | null;
  now: number;
}): number | null {
  const until = isUnsettled(gate.video)
    ? gate.gateUntil
    : isUnsettled(gate.thumbnail)
      ? Math.min(gate.gateUntil, gate.receivedAt + THUMBNAIL_HOLD)
      : null;
  return until !== null && until > gate.now ? until : null;
}

function isUnsettled(state: MediaState | null): boolean {
  return state === "pending" || state === "running";
}
