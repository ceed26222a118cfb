import { writeFileSync } from "node:fs";

/** Every body of the bench has this many bytes, as the figures ask for. */
const BYTES = 600;

/** Where an id goes; as long as an id, so that filling it in changes no length. */
const ID = "{{_______the id_______}}";

const DAY = 86_400;

/**
 * A `video.ready` of 600 bytes as the provider sends it: two links with signatures that live for a day. `media` is the
 * base of the links.
 */
export function bodyTemplate(media = "https://media.wochit.example"): string {
  const expires = Math.floor(Date.now() / 1000) + DAY;
  const signature = `AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=${expires}&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D`;
  const event = {
    type: "video.ready",
    videoContext: "page-81047263",
    wochitVideoId: ID,
    thumbnailUrl: `${media}/media/${ID}/thumbnail.jpg?${signature}`,
    videoUrl: `${media}/media/${ID}/video.mp4?${signature}`,
    title: "",
    videoDuration: 31.5,
  };
  const padding = BYTES - JSON.stringify(event).length;
  if (padding < 0) throw new Error(`the links are too long for a body of ${BYTES} bytes`);
  // With a word that many titles have, also those that `operate` has filled its database with.
  return JSON.stringify({ ...event, title: "A river, as people write of it. ".repeat(20).slice(0, padding) });
}

/** A body of its own: the template with an id in it. */
export function fillBody(template: string, id: string): string {
  return template.replaceAll(ID, id);
}

/** 24 hex digits, spread over all of their range, so that an index by id never gets them in order. */
export function spreadId(run: number, count: number): string {
  const scattered = Math.imul(count + 1, 0x9e3779b1) >>> 0;
  return [scattered, run, count].map((part) => part.toString(16).padStart(8, "0")).join("");
}

/** Writes the template for bodies.lua, which fills in ids by itself. */
export function writeTemplate(path: string, media?: string): void {
  writeFileSync(path, bodyTemplate(media).replaceAll(ID, "\0"));
}
