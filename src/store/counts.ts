import type { JobState } from "../model/job.ts";
import type { MediaKind, MediaState } from "../model/medium.ts";
import type { CappedCount, Listed } from "./filters.ts";
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
  /** Bytes of all copies in targets. */
  copies: number;
  /** When the oldest was made that waits for its download, for the target, for its deletion; null: none does. */
  oldest: Record<"download" | "upload" | "delete", number | null>;
};

/** Rows of which there are too many to count: events without notices, videos, and media that have ended. */
export type Numbered = "events" | "videos" | `${MediaKind}/${MediaState}`;

/** How long commits took, in seconds, and how many writes each had, by the bounds of `COMMIT_BOUNDS`. */
export type Commits = { seconds: Distribution; writes: Distribution };

/** The upper bounds of `Commits`. */
export const COMMIT_BOUNDS = {
  seconds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  writes: [1, 2, 4, 8, 16, 32, 64, 128, 256],
};
/**
 * What is counted by the hour. `received`: events, by topic, and (`failed`) those that repeat one; `attempts`: by endpoint, with
 * how long they took; `deliveries`: that arrived or died, by endpoint; `media`: mirrored, or failed and expired, by kind.
 */
export type TallyKind = "received" | "attempts" | "deliveries" | "media";

/** What one thing adds: it went well or not, and took so long, in milliseconds, where that is counted. */
export type Counted = { isOk: boolean; ms?: number };

/** The upper bounds of `Tally.times`, in milliseconds; one more is for what took longer. */
export const TALLY_BOUNDS = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];

export type Tally = {
  /** When the hour began. */
  hour: number;
  kind: TallyKind;
  label: string;
  ok: number;
  failed: number;
  /** How long all of them took, in milliseconds, and how many took up to each of `TALLY_BOUNDS`; only of attempts. */
  ms: number;
  times: number[];
};

/** Which hours: from the one of `since` on, before `until`; of one label, or of all. */
export type TallyWish = { kind: TallyKind; label?: string; since: number; until?: number };

export type TallyVerbs = {
  /** How many rows a list has; of one that is narrowed down at most 10,000 are counted, of events by title 1,000. */
  countListed(listed: Listed): Promise<CappedCount>;
  /** What happened in each hour in which something did, the first one first. */
  tallies(wish: TallyWish): Promise<Tally[]>;
};
