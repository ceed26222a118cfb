import type { EventAround, VideoAround } from "../model/around.ts";
import type { HeldUp } from "../model/delivery.ts";

/** What is around the rows of lists: few statements, however many rows there are. */
export type AroundVerbs = {
  /** What is around each of these events (up to a few hundred), in their order. */
  eventsAround(ids: string[]): Promise<EventAround[]>;
  /** What apps lack of the newest events of each of these videos (up to a few hundred), in their order. */
  videosAround(videoIds: string[]): Promise<VideoAround[]>;
  /** What stands behind deliveries to each of these endpoints that have failed, and hold their lanes. */
  heldUp(endpoints: string[]): Promise<HeldUp[]>;
};
