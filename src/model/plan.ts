import type { PlannedDelivery } from "./delivery.ts";
import type { PlannedMedium } from "./medium.ts";

/** All that follows from an event; the store commits it together with the event. */
export type Plan = {
  media: PlannedMedium[];
  deliveries: PlannedDelivery[];
  /** A delete: no delivery of this video waits for media any longer. */
  opensGates: boolean;
  /** The deletion of copies at this time: of all of the video's, or only of its drafts' thumbnails. */
  deletes: { what: "video" | "draft"; at: number } | null;
};
