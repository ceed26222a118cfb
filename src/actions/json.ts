import type { CopyPlace } from "../links/durable-link.ts";
import type { Attempt, Delivery } from "../model/delivery.ts";
import type { Quarantined, StoredEvent } from "../model/event.ts";
import type { Medium } from "../model/medium.ts";
import type { Video } from "../model/video.ts";
import { withoutQuery } from "../wochit/link.ts";

// What the CLI, the API and the pages show, with the member names of CONTRACT.md ("Admin listener"). Times are ISO 8601.

/** The durable address of a copy; null where the relay's own address is not known here. */
export type Link = (copy: CopyPlace) => string | null;

export function eventJson(event: StoredEvent) {
  const { id, receivedAt, type, dialect, videoId, context, contextFrom, sequence, sourceAddress, duplicates, status } =
    event;
  return {
    id,
    receivedAt: isoTime(receivedAt),
    type,
    dialect,
    videoId,
    context,
    contextFrom,
    sequence,
    sourceAddress,
    duplicates,
    status,
  };
}
export type EventJson = ReturnType<typeof eventJson>;

export function deliveryJson({ id, eventId, endpoint, state, attempts, nextAttemptAt, lastError }: Delivery) {
  return {
    id,
    eventId,
    endpoint,
    state,
    attempts,
    nextAttemptAt: nextAttemptAt === null ? null : isoTime(nextAttemptAt),
    lastError,
  };
}
export type DeliveryJson = ReturnType<typeof deliveryJson>;

/** `duration` is in milliseconds; `response` is the beginning of the answer, as text. */
export function attemptJson({ startedAt, duration, status, response, error }: Attempt) {
  return {
    startedAt: isoTime(startedAt),
    duration,
    status,
    response: response === null ? null : new TextDecoder().decode(response),
    error,
  };
}
export type AttemptJson = ReturnType<typeof attemptJson>;

export function mediumJson(medium: Medium, link: Link) {
  const { id, videoId, kind, eventId, state, suspect, target, key, bytes, sha256, contentType, deadline, lastError } =
    medium;
  return {
    id,
    videoId,
    kind,
    eventId,
    state,
    suspect,
    key,
    url: state === "mirrored" && key !== null ? link({ target, key }) : null,
    sourceUrl: withoutQuery(medium.sourceUrl),
    bytes,
    sha256,
    contentType,
    deadline: isoTime(deadline),
    lastError,
  };
}
export type MediumJson = ReturnType<typeof mediumJson>;

/** `forgottenAt` is told of a video that was erased, and of no other. */
export function videoJson(video: Video, link: Link) {
  const { videoId, context, contextHistory, state, title, duration, media, firstSeenAt, lastEventAt, forgottenAt } =
    video;
  return {
    videoId,
    context,
    contextHistory: contextHistory.map((one) => ({ context: one.context, since: isoTime(one.since) })),
    state,
    title,
    duration,
    media: media.map((medium) => mediumJson(medium, link)),
    firstSeenAt: isoTime(firstSeenAt),
    lastEventAt: isoTime(lastEventAt),
    ...(forgottenAt !== null && { forgottenAt: isoTime(forgottenAt) }),
  };
}
export type VideoJson = ReturnType<typeof videoJson>;

export function quarantinedJson({ id, receivedAt, sourceAddress, reason, bytes }: Quarantined) {
  return { id, receivedAt: isoTime(receivedAt), sourceAddress, reason, bytes };
}
export type QuarantinedJson = ReturnType<typeof quarantinedJson>;

/** A time that JavaScript cannot write as a date (a link may claim any expiry) is written as the last one it can. */
export function isoTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString();
}
