import type { PlannedDelivery } from "./delivery.ts";
import type { PlannedMedium } from "./medium.ts";

/** What follows from an event. */

/** All that follows from an event; the store commits it together with the event. */
export type Plan = {
  media: PlannedMedium[];
  deliveries: PlannedDelivery[];
  /** A delete: nothing of this video waits for media any longer. */
  opensGates: boolean;
  /** A delete that takes the copies along: all of the video's, or only its drafts' thumbnails; at this time. */
  deletes: { what: "video" | "draft"; at: number } | null;
};
