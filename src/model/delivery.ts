import type { StoredEvent } from "./event.ts";
import type { Job, JobState } from "./job.ts";
import type { Medium } from "./medium.ts";

/** Deliveries, their attempts, and the state of endpoints. */

export type PlannedDelivery = {
  endpoint: string;
  /** One lane per endpoint and video, or none. */
  ordered: boolean;
  /** Wait for the event's media, at most until this time; null sends at once. */
  gateUntil: number | null;
};

/** A claimed delivery: the job and what its body is built from, as of now; the received bytes are the store's `eventBody`. */
export type DeliveryJob = Job & {
  endpoint: string;
  replay: boolean;
  /** The Standard Webhooks message id: the event's id, or a new one for a replay that asked for it. */
  messageId: string;
  event: StoredEvent;
  /** The length of the received body; null once retention has taken it. */
  bytes: number | null;
  media: Medium[];
};

export type Attempt = {
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  status: number | null;
  /** The first 16 KiB of the answer. */
  response: Uint8Array | null;
  error: string | null;
};

/** What an endpoint was told of a medium other than that it is mirrored. */
export type SaidOfMedium = { mediumId: string; status: "pending" | "failed" | "expired" | "skipped" };

export type DeliveryOutcome =
  /** `pending`: what the body said of media that are not mirrored; the endpoint is told how they end. */
  | { is: "delivered"; attempt: Attempt; pending?: SaidOfMedium[] }
  /** `heldLong`: the waits of its schedule that it has been through are `laneHold` or more. */
  | { is: "retry"; attempt: Attempt; at: number; heldLong: boolean }
  | { is: "dead"; attempt: Attempt };

export type Delivery = {
  id: string;
  eventId: string;
  videoId: string;
  endpoint: string;
  state: JobState;
  attempts: number;
  nextAttemptAt: number | null;
  lastError: string | null;
  replay: boolean;
};

export type EndpointState = { endpoint: string; pausedAt: number | null; reason: string | null };
