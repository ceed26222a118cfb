import type { StoredEvent } from "./event.ts";
import type { FailureKind, Health } from "./health.ts";
import type { Job, JobState } from "./job.ts";
import type { Medium } from "./medium.ts";

/** Deliveries, their attempts, and the state of endpoints. */

export type PlannedDelivery = {
  endpoint: string;
  /** One lane per endpoint and video, or none. */
  ordered: boolean;
  /** Waits for the event's media, at most until this time; null: is sent at once. */
  gateUntil: number | null;
};

/** A claimed delivery, with what its body is built from as of now, besides the received bytes (`Store.eventBody`). */
export type DeliveryJob = Job & {
  endpoint: string;
  replay: boolean;
  /** The Standard Webhooks message id: the event's id, or a new one for a replay that asked for it. */
  messageId: string;
  event: StoredEvent;
  /** The length of the received body; null once retention has deleted it. */
  bytes: number | null;
  /** The received body, where it is small; null: it is to be read when it is sent. */
  body: Uint8Array | null;
  media: Medium[];
  /** Of an event that was given its context: all contexts of its video, each once, the newest first. Else none. */
  contexts: string[];
};

export type Attempt = {
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  status: number | null;
  /** The first 16 KiB of the answer. */
  response: Uint8Array | null;
  error: string | null;
  /** Of what was sent; null: nothing was. */
  bytes: number | null;
  sha256: string | null;
};

/** An attempt as it was logged; `n` counts the claims of the delivery. `retryAfter`: for how long the endpoint asked to be left alone, in milliseconds. */
export type LoggedAttempt = Attempt & { n: number; retryAfter: number | null; probe: boolean };

/** A medium that was reported to an endpoint as not mirrored. */
export type SaidOfMedium = { mediumId: string; status: "pending" | "failed" | "expired" | "skipped" };

/** How an attempt ended; the store says what comes of it. */
export type DeliveryOutcome = {
  attempt: Attempt;
  /** Why there was no answer; null: there was one, and `attempt.status` has it. */
  failure: FailureKind | null;
  /** For how long the endpoint asked to be left alone, in milliseconds; 0: it did not. */
  retryAfter: number;
  /** The answer asks for no further attempt, or none could succeed: without success it is the last. */
  isLast: boolean;
  /** The random part of the next wait, 0 to 1. */
  spread: number;
  /** The media that the body reported as not mirrored; the endpoint gets a notice of how they end. */
  pending: SaidOfMedium[];
};

/** What came of an attempt. `settled`: false where the claim was lost, and nothing was written. */
export type DeliverySettled = {
  settled: boolean;
  /** It was a probe of an endpoint whose breaker was open. */
  isProbe: boolean;
  /** The state of the delivery now, and when it is tried again by its schedule. */
  state: JobState;
  nextAttemptAt: number | null;
  /** What holds it beside its schedule; null: nothing does, or it has ended. */
  waitsFor: WaitsFor | null;
  /** The endpoint was paused by this answer. */
  paused: boolean;
  /** Its breaker opened or closed; null: neither. */
  breaker: "opened" | "closed" | null;
  /** Other endpoints that have work by it. */
  feeds: string[];
};

/**
 * What a delivery waits for. `of`: the endpoint (removed, breaker), who paused it (config, operator, gone), the delivery before
 * it (lane), or its event (gate).
 */
export type WaitsFor = {
  is: "removed" | "pause" | "breaker" | "lane" | "gate" | "retry" | "slot";
  until: number | null;
  of: string | null;
};

export type Delivery = {
  id: string;
  eventId: string;
  /** Null: of a notice that is about no video. */
  videoId: string | null;
  type: string | null;
  endpoint: string;
  createdAt: number;
  state: JobState;
  attempts: number;
  /** By its schedule; null: it has ended, or the schedule is not known here. */
  attemptsLeft: number | null;
  nextAttemptAt: number | null;
  /** When its gate opened, and why: settled, thumbnail, maxWait or delete. Null: it has not, or had none. */
  gate: { openedAt: number; by: string } | null;
  /** Null: it is sent now, runs, or has ended. */
  waitsFor: WaitsFor | null;
  lastError: string | null;
  replay: boolean;
  supersededBy: string | null;
};

/**
 * Deliveries to one endpoint that failed with the same error. `isMore`: there are more than were counted. `lastAt`: when the newest
 * of them, `sample`, was last tried; `response`: the beginning of what it was answered, null: nothing.
 */
export type DeliveryReason = {
  endpoint: string;
  error: string;
  count: number;
  isMore: boolean;
  lastAt: number;
  sample: string;
  response: Uint8Array | null;
};

/**
 * What stands behind deliveries to an endpoint that have failed and hold their lanes: of how many `videos`, how many deliveries
 * are `behind`, and the `first`, the oldest that has failed (`isRefused`: its answer spoke of the event, not of the endpoint).
 * `failed`: how many wait for a further attempt. `isMore`: there are more than were looked at.
 */
export type HeldUp = {
  endpoint: string;
  videos: number;
  behind: number;
  failed: number;
  isMore: boolean;
  first: { deliveryId: string; eventId: string; error: string; isRefused: boolean } | null;
};

/** `health`: what its answers say of it; null: nothing is wrong. */
export type EndpointState = { endpoint: string; pausedAt: number | null; reason: string | null; health: Health | null };
