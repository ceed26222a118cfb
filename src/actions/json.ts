import type { CopyPlace } from "../links/durable-link.ts";
import type { Attempt, Delivery } from "../model/delivery.ts";
import type { Quarantined, StoredEvent } from "../model/event.ts";
import type { Medium } from "../model/medium.ts";
import type { Video } from "../model/video.ts";
import { withoutQuery } from "../wochit/link.ts";

// What the CLI, the API and the pages show, with the member names of CONTRACT.md ("Admin listener"). Times are ISO 8601.

/** The durable address of a copy; null where the relay's own address is not known here. */
export type Link = (copy: CopyPlace) => string | null;

type Words<Text extends string> = Text extends `${infer Word} ${infer Rest}` ? Word | Words<Rest> : Text;

/** These members, written with spaces between them, in this order. */
export function pick<From extends object, Names extends string>(
  from: From,
  names: Words<Names> extends keyof From ? Names : never,
): Pick<From, Words<Names> & keyof From> {
  return Object.fromEntries(names.split(" ").map((name) => [name, from[name as keyof From]])) as never;
}

const EVENT = "id receivedAt type dialect videoId context contextFrom sequence sourceAddress duplicates status";

export function eventJson(event: StoredEvent) {
  return { ...pick(event, EVENT), receivedAt: isoTime(event.receivedAt) };
}

export function deliveryJson(delivery: Delivery) {
  return {
    ...pick(delivery, "id eventId endpoint state attempts nextAttemptAt lastError"),
    nextAttemptAt: isoTime(delivery.nextAttemptAt),
  };
}
export type DeliveryJson = ReturnType<typeof deliveryJson>;

/** `duration` is in milliseconds; `response` is the beginning of the answer, as text. */
export function attemptJson(attempt: Attempt) {
  return {
    ...pick(attempt, "startedAt duration status response error"),
    startedAt: isoTime(attempt.startedAt),
    response: attempt.response && new TextDecoder().decode(attempt.response),
  };
}
export type AttemptJson = ReturnType<typeof attemptJson>;

export function mediumJson(medium: Medium, link: Link) {
  const { state, target, key } = medium;
  return {
    ...pick(medium, "id videoId kind eventId state suspect key"),
    url: state === "mirrored" && key !== null ? link({ target, key }) : null,
    ...pick(medium, "sourceUrl bytes sha256 contentType deadline lastError"),
    sourceUrl: withoutQuery(medium.sourceUrl),
    deadline: isoTime(medium.deadline),
  };
}
export type MediumJson = ReturnType<typeof mediumJson>;

/** `forgottenAt` is a member only of a video that was erased. */
export function videoJson(video: Video, link: Link) {
  const { contextHistory, media, forgottenAt } = video;
  return {
    ...pick(video, "videoId context contextHistory state title duration media firstSeenAt lastEventAt"),
    contextHistory: contextHistory.map(({ context, since }) => ({ context, since: isoTime(since) })),
    media: media.map((medium) => mediumJson(medium, link)),
    firstSeenAt: isoTime(video.firstSeenAt),
    lastEventAt: isoTime(video.lastEventAt),
    ...(forgottenAt !== null && { forgottenAt: isoTime(forgottenAt) }),
  };
}
export type VideoJson = ReturnType<typeof videoJson>;

export function quarantinedJson(refused: Quarantined) {
  return { ...pick(refused, "id receivedAt sourceAddress reason bytes"), receivedAt: isoTime(refused.receivedAt) };
}

/** A time beyond what a Date can hold (a link may claim any expiry) is written as the last one that it can. */
export function isoTime<Time extends number | null>(ms: Time): Time extends null ? null : string;
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString();
}
