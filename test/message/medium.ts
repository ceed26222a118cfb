import type { Medium } from "../../src/model/medium.ts";

/** A video's file that is not kept yet. */
export const MEDIUM: Medium = {
  id: "med_1",
  videoId: "v1",
  kind: "video",
  eventId: "evt_1",
  state: "pending",
  suspect: null,
  target: null,
  key: null,
  sourceUrl: "https://cdn.example.com/v.mp4",
  bytes: null,
  sha256: null,
  contentType: null,
  deadline: 0,
  lastError: null,
  attempts: 0,
  nextAttemptAt: null,
  firstTriedAt: null,
  securedAt: null,
  settledAt: null,
};
