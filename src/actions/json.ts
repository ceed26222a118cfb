import type { CopyPlace } from "../links/durable-link.ts";
import type { Delivery, DeliveryReason, LoggedAttempt } from "../model/delivery.ts";
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

const DELIVERY =
  "id eventId videoId type endpoint createdAt state supersededBy attempts attemptsLeft nextAttemptAt lastError replay";

export function deliveryJson(delivery: Delivery) {
  const { createdAt, nextAttemptAt, waitsFor } = delivery;
  return {
    ...pick(delivery, DELIVERY),
    createdAt: isoTime(createdAt),
    nextAttemptAt: isoTime(nextAttemptAt),
    waitsFor: waitsFor && { ...waitsFor, until: isoTime(waitsFor.until) },
  };
}

/** Characters of an answer that a list of reasons has. */
const ANSWER = 200;

/** `answer`: the first words of what `sample` was answered, on one line; null: nothing. */
export function reasonJson({ lastAt, response, sample, ...reason }: DeliveryReason) {
  const answer = response === null ? "" : new TextDecoder().decode(response).replace(/\s+/g, " ").trim();
  const shown = { lastAt: isoTime(lastAt), sample, answer: answer.slice(0, ANSWER) || null };
  return { ...pick(reason, "endpoint error count isMore"), ...shown };
}
export type ReasonJson = ReturnType<typeof reasonJson>;

export type DeliveryJson = ReturnType<typeof deliveryJson>;

/** `answer` is its beginning, as text; `retryAfter` is in seconds; `bytes` and `sha256` are of what was sent. */
export function attemptJson(attempt: LoggedAttempt) {
  const { startedAt, duration, response, retryAfter } = attempt;
  return {
    n: attempt.n,
    startedAt: isoTime(startedAt),
    endedAt: isoTime(startedAt + duration),
    ...pick(attempt, "status error"),
    answer: response && new TextDecoder().decode(response),
    retryAfter: retryAfter === null ? null : Math.ceil(retryAfter / 1000),
    ...pick(attempt, "bytes sha256 probe"),
  };
}
export type AttemptJson = ReturnType<typeof attemptJson>;

export function mediumJson(medium: Medium, link: Link) {
  const { state, target, key, nextAttemptAt } = medium;
  return {
    ...pick(medium, "id videoId kind eventId state suspect key"),
    url: state === "mirrored" && key !== null ? link({ target, key }) : null,
    ...pick(medium, "sourceUrl bytes sha256 contentType deadline attempts nextAttemptAt lastError"),
    sourceUrl: withoutQuery(medium.sourceUrl),
    deadline: isoTime(medium.deadline),
    nextAttemptAt: isoTime(nextAttemptAt),
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
  return {
    ...pick(refused, "id receivedAt sourceAddress reason bytes videoId type detail"),
    receivedAt: isoTime(refused.receivedAt),
  };
}

/** A time beyond what a Date can hold (a link may claim any expiry) is written as the last one that it can. */
export function isoTime<Time extends number | null>(ms: Time): Time extends null ? null : string;
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString();
}
