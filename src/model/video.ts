import type { Medium } from "./medium.ts";

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
  /** When it was erased on request, or null. */
  forgottenAt: number | null;
};
