import type { JobState } from "../model/job.ts";
import type { MediaKind, MediaState } from "../model/medium.ts";
import type { Distribution } from "./histogram.ts";

/** How many rows are in each state, for `status`, `/readyz` and metrics. */
export type Counts = {
  events: number;
  videos: number;
  media: Partial<Record<MediaState, number>>;
  /** The same, by kind as well. */
  kinds: { kind: MediaKind; state: MediaState; count: number }[];
  /** Spooled files that the target does not have yet, and copies that are to be deleted now. */
  uploads: number;
  deletions: number;
  deliveries: { endpoint: string; state: JobState; count: number; oldest: number }[];
  quarantine: { count: number; bytes: number };
  /** When the oldest was made that waits for its download, for the target, for its deletion; null: none does. */
  oldest: Record<"download" | "upload" | "delete", number | null>;
};

/** How long commits took, in seconds, and how many writes each had, by the bounds of `COMMIT_BOUNDS`. */
export type Commits = { seconds: Distribution; writes: Distribution };

/** The upper bounds of `Commits`. */
export const COMMIT_BOUNDS = {
  seconds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  writes: [1, 2, 4, 8, 16, 32, 64, 128, 256],
};
