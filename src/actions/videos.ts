import { RelayError } from "../errors.ts";
import type { Medium } from "../model/medium.ts";
import type { Video, VideoState } from "../model/video.ts";
import type { Mapping, Page, Store } from "../store/store.ts";
import { isoTime, type Link, type VideoJson, videoJson } from "./json.ts";
import { collectIds, walk } from "./paging.ts";

export type VideoWish = Page & { state?: VideoState; context?: string };

export async function* listVideos(store: Store, wish: VideoWish, link: Link): AsyncGenerator<VideoJson> {
  const list = (page: Page) => store.videos({ ...wish, ...page });
  for await (const video of walk(list, ({ videoId }) => videoId, wish)) yield videoJson(video, link);
}

/** One video with the newest `limit` of its contexts and of its media; `more`: there are further ones. */
export async function showVideo(
  store: Store,
  videoId: string,
  link: Link,
  limit: number,
): Promise<{ video: VideoJson; more: boolean }> {
  const { media, contextHistory, ...video } = await store.video(videoId, limit + 1);
  const more = media.length > limit || contextHistory.length > limit;
  const newest = [...media].sort(byId).slice(-limit);
  return {
    video: videoJson(
      { ...video, contextHistory: contextHistory.slice(-limit), media: media.filter((each) => newest.includes(each)) },
      link,
    ),
    more,
  };
}

function byId(a: Medium, b: Medium): number {
  return a.id < b.id ? -1 : 1;
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
  /** Bodies in quarantine that were of it, and are gone. */
  refused: number;
};

/**
 * Erases a person's video on request: bodies, titles, contexts, links, what endpoints answered; deliveries under way are
 * canceled. Copies become deletions that the relay makes. RelayError("not_found") when there is no such video, "conflict"
 * when there is nothing left of it to erase.
 */
export async function forgetVideo(store: Store, videoId: string, now: number): Promise<Forgotten> {
  const before = await knownVideo(store, videoId);
  const { events, media, refused } = await store.forgetVideo(videoId, now);
  const copies = before?.media.filter(hasCopy).length ?? 0;
  return { videoId, forgottenAt: isoTime(now), events, media, copies, refused };
}

/** Null: no event and no import named it, though a refused body may. */
export async function knownVideo(store: Store, videoId: string): Promise<Video | null> {
  return store.video(videoId).catch((error) => {
    if (error instanceof RelayError && error.code === "not_found") return null;
    throw error;
  });
}

/** A superseded row keeps its key, but the copy under it is another one's. */
export function hasCopy({ state, key }: Pick<Medium, "state" | "key">): boolean {
  return key !== null && state !== "superseded" && state !== "deleted";
}

/**
 * The videos that have, or once had, this context, the newest first; calls `onMore` at the end where there are further ones.
 * RelayError("not_found") when there is none.
 */
export async function* showContext(
  store: Store,
  context: string,
  link: Link,
  { limit, before }: Pick<Page, "limit" | "before">,
  onMore: (last: VideoJson) => void,
): AsyncGenerator<VideoJson> {
  const list = (page: Page) => store.videosOfContext(context, page);
  let last: VideoJson | null = null;
  let rest = limit;
  for await (const video of walk(list, ({ videoId }) => videoId, { limit: limit + 1, before })) {
    if (rest-- === 0) return onMore(last!);
    last = videoJson(video, link);
    yield last;
  }
  if (last === null && before === undefined) throw new RelayError("not_found", "no video has, or had, this context");
}

/** Rows of one transaction: a large import must not keep the relay from committing. */
const BATCH = 500;

/** How many events an endpoint has got without the context that is known of them now. */
export async function countContextMissing(store: Store): Promise<number> {
  const list = (page: Page) => store.events({ ...page, contextMissing: true });
  return (await collectIds(list, {})).length;
}

/**
 * Writes mappings that were made elsewhere, in their order, as older than what events said, or (`override`) as the newest;
 * tells how many changed the context of their video.
 */
export async function importContexts(
  store: Store,
  rows: Mapping[],
  now: () => number,
  how: { override: boolean } = { override: false },
): Promise<{ imported: number }> {
  let imported = 0;
  for (let at = 0; at < rows.length; at += BATCH) {
    imported += (await store.importContexts(rows.slice(at, at + BATCH), how, now())).imported;
  }
  return { imported };
}
