import { Buffer } from "node:buffer";
import type { Random } from "../ports.ts";
import { FILM_SECONDS } from "./media.ts";

/**
 * What the simulator can send (PROVIDER, "Events"), in the order of a video's life, and which media each announces. "legacy"
 * is a ready video in the older dialect, without `type`. The provider documents failed productions in prose only;
 * "video.failed" is a guess at its type, with the one member that an early page of its documentation shows, `errorMessage`.
 */
export const ANNOUNCED_MEDIA = {
  "draft.new": { video: false, thumbnail: true },
  "draft.update": { video: false, thumbnail: true },
  "draft.exit": { video: false, thumbnail: true },
  "video.ready": { video: true, thumbnail: true },
  legacy: { video: true, thumbnail: true },
  "video.failed": { video: false, thumbnail: false },
  "video.delete": { video: false, thumbnail: false },
  "draft.delete": { video: false, thumbnail: false },
};

export type EventType = keyof typeof ANNOUNCED_MEDIA;
export const EVENT_TYPES = Object.keys(ANNOUNCED_MEDIA) as EventType[];

export type EventOptions = {
  random: Random;
  /** A new one unless given. */
  videoId?: string;
  /** Null sends `"videoContext": null`; an invented one unless given. */
  context?: string | null;
  title?: string;
  /** Seconds; 35.9 unless given. */
  duration?: number;
  videoUrl?: string;
  thumbnailUrl?: string;
  errorMessage?: string;
};

export type SimulatedEvent = {
  type: EventType;
  videoId: string;
  /** As it would be posted. */
  body: Uint8Array;
  /** The same, read. */
  json: Record<string, unknown>;
};

/** One webhook of the provider: members, their order and their spelling are those of its documentation. */
export function makeEvent(type: EventType, options: EventOptions): SimulatedEvent {
  const { random } = options;
  const videoId = options.videoId ?? inventVideoId(random);
  const announced = ANNOUNCED_MEDIA[type];
  const json: Record<string, unknown> = {};
  if (type !== "legacy") json.type = type;
  // "draft.delete" has the id only: what the relay's mapping is for.
  if (type !== "draft.delete")
    json.videoContext = options.context === undefined ? inventContext(random) : options.context;
  json.wochitVideoId = videoId;
  if (announced.thumbnail) json.thumbnailUrl = options.thumbnailUrl ?? `http://example.com/${videoId}/thumbnail.jpg`;
  if (announced.video) json.videoUrl = options.videoUrl ?? `https://example.com/${videoId}/video.mp4`;
  if (announced.thumbnail) json.title = options.title ?? pick(random, TITLES);
  if (type === "video.ready") json.videoDuration = options.duration ?? FILM_SECONDS;
  if (type === "video.failed") json.errorMessage = options.errorMessage ?? "The video could not be produced";
  return { type, videoId, json, body: new Uint8Array(Buffer.from(spell(json))) };
}

/** An id as the provider makes them: 24 hex digits. */
export function inventVideoId(random: Random): string {
  return Buffer.from(random.bytes(12)).toString("hex");
}

/** A context as integrators choose them. */
export function inventContext(random: Random): string {
  return pick(random, CONTEXTS);
}

/** One of several. */
export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random.float() * choices.length)]!;
}

/** As on the provider's pages: indented by four, with a blank before the colon of two members. */
function spell(json: Record<string, unknown>): string {
  const members = Object.entries(json).map(([name, value]) => {
    const colon = name === "type" || name === "videoDuration" ? " : " : ": ";
    return `    ${JSON.stringify(name)}${colon}${JSON.stringify(value)}`;
  });
  return `{\n${members.join(",\n")}\n}`;
}

/** Typed by end users: any script, emoji, quotes, newlines, right-to-left marks. */
const TITLES = [
  "The video title",
  'Say "hello", then leave',
  "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich",
  "Ελλάδα: οι ειδήσεις σε ένα λεπτό",
  "خبر عاجل: ‏الطقس اليوم",
  "חדשות היום – ‎עדכון",
  "朝のニュース 🗞️",
  "오늘의 날씨 ☔",
  "ข่าวเช้านี้",
  "Сводка за день: факты",
  "Family day 👨‍👩‍👧‍👦 at the lake 🏞️",
  "First line\nsecond line\tand a tab",
  "C:\\clips\\final (2).mp4 </script>",
  "Trailing blank ",
];

/** Chosen by the integrator: page ids, customer ids, sometimes JSON. */
const CONTEXTS = [
  "string-sent-when-opened-the-video-editor",
  "page-4711",
  "customer/81/article/2025-03-14",
  '{"page":12,"user":"ana@example.com"}',
  "sección-ñandú",
  "9f3c1d7e-58ab-4f0e-9a51-0c2f6f3b7d10",
];
