import type { StoredEvent } from "./event.ts";
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

/** A medium that was reported to an endpoint as not mirrored. */
export type SaidOfMedium = { mediumId: string; status: "pending" | "failed" | "expired" | "skipped" };

export type DeliveryOutcome =
  /** `pending`: the media that the body reported as not mirrored; the endpoint gets a notice of how they end. */
  | { is: "delivered"; attempt: Attempt; pending?: SaidOfMedium[] }
  /** `heldLong`: its waits so far, by its schedule, are `laneHold` or more. */
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
