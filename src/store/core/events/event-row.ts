import { insert } from "../tx.ts";

/** Writes an event of the provider's, or a notice of the relay's own. */
export const insertEvent = insert("events", [
  ...(["id", "received_at", "video", "sequence", "type", "dialect", "failure", "context", "source"] as const),
  ...(["video_medium", "thumbnail_medium", "deliveries", "body"] as const),
]);
