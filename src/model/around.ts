import type { JobState } from "./job.ts";
import type { MediaKind, MediaState } from "./medium.ts";

/** What is around an event: its video's title, its media, and of each endpoint the newest delivery of it. */
export type EventAround = {
  id: string;
  title: string | null;
  media: { kind: MediaKind; state: MediaState }[];
  deliveries: { endpoint: string; state: JobState; attempts: number }[];
};

/**
 * What apps lack of a video: of each endpoint that lacks something how many deliveries are dead, how many are still to arrive
 * (`open`), and how many of those have failed so far (`failed`).
 */
export type VideoAround = {
  videoId: string;
  lacking: { endpoint: string; dead: number; open: number; failed: number }[];
};
