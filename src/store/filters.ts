import type { RefusalReason, StoredEvent } from "../model/event.ts";
import type { JobState } from "../model/job.ts";
import type { MediaKind, MediaState } from "../model/medium.ts";
import type { VideoState } from "../model/video.ts";

type Range = { since?: number; until?: number };

/** A list, and what it is narrowed down by. Times are milliseconds since 1970. */
export type Listed =
  | { list: "events"; filter: EventFilter & Range }
  | { list: "deliveries"; filter: DeliveryFilter & Range }
  | { list: "videos"; filter: VideoFilter & Range }
  | { list: "media"; filter: MediaFilter & Range }
  | { list: "quarantine"; filter: QuarantineFilter & Range };

/** `isMore`: there are more than were counted, which is when it says 10,000, or 1,000. */
export type CappedCount = { count: number; isMore: boolean };

// What lists are narrowed down by; without any of it they have all rows.

/**
 * Which events. `q`: a part of their video's title, as it is now, of three characters at least. `types`: patterns, as of endpoints ("draft.*"); notices are only given by name. `status`: with `endpoint`, a
 * delivery to that one is dead, or has not ended. `contextMissing`: only those that an endpoint has got without the context
 * that became known of them afterwards.
 */
export type EventFilter = {
  types?: string[];
  videoId?: string;
  context?: string;
  contextMissing?: boolean;
  status?: StoredEvent["status"];
  q?: string;
  endpoint?: string;
};

/**
 * Which deliveries. `error`: exactly what the last attempt failed with; `types`: of their events, as patterns. `failedSince`:
 * only those that failed, with their last attempt since then (milliseconds since 1970); the last attempt first.
 */
export type DeliveryFilter = {
  endpoint?: string;
  state?: JobState;
  /** In place of `state`: in any of these. */
  states?: JobState[];
  eventId?: string;
  videoId?: string;
  error?: string;
  failedSince?: number;
  types?: string[];
};

/**
 * Which media. `byDeadline`: only those that are not secured yet, the nearest deadline first. `withCopy`: only those that have
 * one. `suspect`: only those whose copy is odd.
 */
export type MediaFilter = {
  state?: MediaState;
  /** In place of `state`: in any of these. */
  states?: MediaState[];
  videoId?: string;
  kind?: MediaKind;
  suspect?: boolean;
  byDeadline?: boolean;
  withCopy?: boolean;
};

/** Which videos. `q`: a part of the title, of three characters at least; `states`, in place of `state`: in any of these. */
export type VideoFilter = { state?: VideoState; states?: VideoState[]; context?: string; q?: string };

/** Which refused bodies. `source`: the address that they came from; `videoId`, `context`: what they name, where they read as events. */
export type QuarantineFilter = { reason?: RefusalReason; source?: string; videoId?: string; context?: string };
