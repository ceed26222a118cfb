import type { Medium } from "./medium.ts";

/** What is known of a video. */

export type VideoState = "draft" | "ready" | "deleted" | "failed" | "unknown";

export type Video = {
  videoId: string;
  context: string | null;
  contextHistory: { context: string; since: number }[];
  state: VideoState;
  title: string | null;
  duration: number | null;
  media: Medium[];
  firstSeenAt: number;
  lastEventAt: number;
  /** When it was erased on request; null: it was not. */
  forgottenAt: number | null;
};
