import type { Medium, VideoState } from "../domain.ts";
import { RelayError } from "../errors.ts";
import type { Page, Store } from "../store/store.ts";
import { isoTime, type Link, type VideoJson, videoJson } from "./json.ts";
import { walk } from "./pages.ts";

export type VideoWish = Page & { state?: VideoState; context?: string };

export async function* listVideos(store: Store, wish: VideoWish, link: Link): AsyncGenerator<VideoJson> {
  const list = (page: Page) => store.videos({ ...wish, ...page });
  for await (const video of walk(list, ({ videoId }) => videoId, wish)) yield videoJson(video, link);
}

export async function showVideo(store: Store, videoId: string, link: Link): Promise<VideoJson> {
  return videoJson(await store.video(videoId), link);
}

/** What an erasure takes, and what it does not undo. */
export type Forgotten = {
  videoId: string;
  forgottenAt: string;
  /** Events and notices whose bodies are gone; their ids, types and times stay. */
  events: number;
  /** Media whose links are gone; copies that they had are removed by the relay. */
  media: number;
  copies: number;
};

/**
 * Erases a person's video on request: bodies, titles, contexts, links, what endpoints answered; deliveries under way are
 * canceled. Copies become deletions that the relay makes. RelayError("not_found") when there is no such video, "conflict"
 * when there is nothing left of it to erase.
 */
export async function forgetVideo(store: Store, videoId: string, now: number): Promise<Forgotten> {
  const before = await store.video(videoId);
  if (before.forgottenAt !== null && before.lastEventAt <= before.forgottenAt) {
    throw new RelayError("conflict", `the video was erased already, at ${isoTime(before.forgottenAt)}`);
  }
  const { events, media } = await store.forgetVideo(videoId, now);
  const forgottenAt = isoTime((await store.video(videoId)).forgottenAt ?? now);
  return { videoId, forgottenAt, events, media, copies: before.media.filter(hasCopy).length };
}

/** A superseded row keeps its key, but the copy under it is another one's. */
export function hasCopy({ state, key }: Pick<Medium, "state" | "key">): boolean {
  return key !== null && state !== "superseded" && state !== "deleted";
}

/** Every video that has, or once had, this context; the newest first. RelayError("not_found") when there is none. */
export async function showContext(store: Store, context: string, link: Link): Promise<VideoJson[]> {
  const videos = await store.videosOfContext(context);
  if (videos.length === 0) throw new RelayError("not_found", "no video has, or had, this context");
  return videos.map((video) => videoJson(video, link));
}

export type Mapping = { videoId: string; context: string };

/** Rows of one transaction: a large import must not keep the relay from committing. */
const BATCH = 500;

/** Writes mappings that were made elsewhere, in their order; tells how many changed something. */
export async function importContexts(store: Store, rows: Mapping[], now: () => number): Promise<{ imported: number }> {
  let imported = 0;
  for (let at = 0; at < rows.length; at += BATCH) {
    imported += (await store.importContexts(rows.slice(at, at + BATCH), now())).imported;
  }
  return { imported };
}
