import type { VideoState } from "../domain.ts";
import { RelayError } from "../errors.ts";
import type { Page, Store } from "../store/store.ts";
import { type Link, type VideoJson, videoJson } from "./json.ts";
import { walk } from "./pages.ts";

export type VideoWish = Page & { state?: VideoState; context?: string };

export async function* listVideos(store: Store, wish: VideoWish, link: Link): AsyncGenerator<VideoJson> {
  const list = (page: Page) => store.videos({ ...wish, ...page });
  for await (const video of walk(list, ({ videoId }) => videoId, wish)) yield videoJson(video, link);
}

export async function showVideo(store: Store, videoId: string, link: Link): Promise<VideoJson> {
  return videoJson(await store.video(videoId), link);
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
