import { RelayError } from "../errors.ts";
import type { Video, VideoState } from "../model/video.ts";
import { nextSize } from "../platform/timing.ts";
import type { Mapping, Page, Store } from "../store/store.ts";
import { inStates, titleFilter } from "./filters/types.ts";
import { shortTime } from "./format.ts";
import { isoTime, type Link, type VideoJson, videoJson } from "./json.ts";
import { type Column, collectIds, list, type Sources, walk } from "./list.ts";
import { hasCopy } from "./media.ts";
import { deliveriesOfVideo } from "./outcome/of-video.ts";
import { missingBut } from "./quarantine.ts";

export const videoColumns: Column<VideoJson>[] = [
  { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
  {
    title: "STATE",
    value: ({ state, forgottenAt }) => (state === "deleted" && forgottenAt ? "forgotten" : state),
    whole: true,
  },
  { title: "CONTEXT", value: ({ context }) => context },
  { title: "TITLE", value: ({ title }) => title },
  { title: "MEDIA", value: ({ media }) => media.map(({ kind, state }) => `${kind} ${state}`).join(", ") || null },
  { title: "LAST EVENT", value: ({ lastEventAt }) => shortTime(lastEventAt), whole: true },
];

const keyOf = ({ videoId }: { videoId: string }) => videoId;

export const videos = list({
  filters: {
    state: {
      isMany: true,
      words: ["draft", "ready", "deleted", "failed", "unknown"],
      help: "only in this state, or in one of these",
    },
    context: { help: "only those that have this videoContext now" },
    q: titleFilter,
  },
  async *rows({ store, openLink }, query) {
    const link = await openLink();
    yield* walk(
      (page) => store.videos(page),
      { ...query, ...inStates<VideoState>(query) },
      (video) => videoJson(video, link),
      keyOf,
    );
  },
  total: ({ store }, filter) =>
    store.countListed({ list: "videos", filter: { ...filter, ...inStates<VideoState>(filter) } }),
  columns: videoColumns,
  keyOf,
});

/**
 * One video with the newest `limit` of its contexts, of its media, and of what is not delivered; what each endpoint has of it.
 * `more`: there are further ones.
 */
export async function showVideo(
  { store, config }: Pick<Sources, "store" | "config">,
  videoId: string,
  link: Link,
  limit: number,
) {
  const video = await store.video(videoId, limit + 1).catch(async (error) => {
    if (!(error instanceof RelayError) || error.code !== "not_found") throw error;
    throw await noVideo(store, videoId);
  });
  const { more: moreDeliveries, ...deliveries } = await deliveriesOfVideo(store, config, videoId, limit);
  const more = moreDeliveries || video.media.length > limit || video.contextHistory.length > limit;
  // Ids sort by the time they were given.
  const newest = new Set(
    video.media
      .map(({ id }) => id)
      .sort()
      .slice(-limit),
  );
  const media = video.media.filter(({ id }) => newest.has(id));
  const shown = videoJson({ ...video, contextHistory: video.contextHistory.slice(-limit), media }, link);
  return { video: { ...shown, ...deliveries }, more };
}

/**
 * Erases a person's video on request: bodies, titles, contexts, links, what endpoints answered; deliveries under way are
 * canceled. Copies become deletions that the relay makes. RelayError("not_found") when there is no such video, "conflict"
 * when there is nothing left of it to erase. Resolves with the numbers of events (and notices) that lost their bodies, media
 * that lost their links, copies to be deleted, bodies of it in quarantine (`refused`), and files of the archive that the relay writes
 * anew without it.
 */
export async function forgetVideo(store: Store, videoId: string, now: number) {
  const before = await knownVideo(store, videoId);
  const { events, media, refused, parts } = await store.forgetVideo(videoId, now);
  const copies = before?.media.filter(hasCopy).length ?? 0;
  return { videoId, forgottenAt: isoTime(now), events, media, copies, refused, archiveFiles: parts };
}

/** RelayError("not_found") of a video that no event named; it says so where a refused request did. */
export const noVideo = (store: Pick<Store, "countListed">, videoId: string): Promise<RelayError> =>
  missingBut(store, new RelayError("not_found", `no video "${videoId}"`), { videoId });

/** Null: no event and no import named it; a refused body may. */
export async function knownVideo(store: Store, videoId: string): Promise<Video | null> {
  return store.video(videoId).catch((error) => {
    if (error instanceof RelayError && error.code === "not_found") return null;
    throw error;
  });
}

/**
 * The videos that have, or once had, this context, the newest first, and `limit` of them at most; `onMore` is called with
 * the last one where there are further ones. RelayError("not_found") when there is none.
 */
export async function* showContext(
  store: Store,
  context: string,
  link: Link,
  { limit, before }: Pick<Page, "limit" | "before">,
  onMore: (last: VideoJson) => void,
): AsyncGenerator<VideoJson> {
  let last: VideoJson | null = null;
  let rest = limit;
  const read = (page: Page) => store.videosOfContext(context, page);
  for await (const video of walk(read, { limit: limit + 1, before }, (one) => videoJson(one, link), keyOf)) {
    if (rest-- === 0) return onMore(last!);
    last = video;
    yield last;
  }
  if (last === null && before === undefined) {
    const missing = new RelayError("not_found", "no video has, or had, this context");
    throw await missingBut(store, missing, { context });
  }
}

/** Rows of one transaction, at first and at most: a large import must not keep the relay from committing. */
const BATCH = { first: 50, most: 500 };

/** How many events were sent without the context that is known of them now. */
export async function countContextMissing(store: Store): Promise<number> {
  return (await collectIds((page) => store.events(page), { contextMissing: true })).length;
}

/**
 * Writes mappings that were made elsewhere, in their order, as older than those of events, or (`override`) as the newest.
 * `imported`: how many changed the context of their video.
 */
export async function importContexts(
  store: Store,
  rows: Mapping[],
  now: () => number,
  how: { override: boolean } = { override: false },
): Promise<{ imported: number }> {
  let imported = 0;
  let size = BATCH.first;
  for (let at = 0; at < rows.length; ) {
    const some = rows.slice(at, at + size);
    const begun = now();
    imported += (await store.importContexts(some, how, begun)).imported;
    at += some.length;
    size = nextSize(size, now() - begun, BATCH.most);
  }
  return { imported };
}
