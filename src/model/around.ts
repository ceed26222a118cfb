import type { JobState } from "./job.ts";
import type { MediaKind, MediaState } from "./medium.ts";

/** What is around an event: its video's title, its media, and of each endpoint the newest delivery of it. */
export type EventAround = {
  id: string;
  title: string | null;
  media: { kind: MediaKind; state: MediaState }[];
  deliveries: { endpoint: string; state: JobState; attempts: number }[];
};
