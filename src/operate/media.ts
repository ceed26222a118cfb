import type { MediaKind, MediaState } from "../domain.ts";
import { errorLine } from "../errors.ts";
import type { Page, Store } from "../store/store.ts";
import { type Link, type MediumJson, mediumJson } from "./json.ts";
import { collectIds, type Done, idOf, walk } from "./pages.ts";

export type MediaWish = Page & { state?: MediaState; videoId?: string; kind?: MediaKind };

export async function* listMedia(store: Store, wish: MediaWish, link: Link): AsyncGenerator<MediumJson> {
  for await (const medium of walk((page) => store.media({ ...wish, ...page }), idOf, wish)) {
    yield mediumJson(medium, link);
  }
}

/** Downloads a medium again, from the first attempt on. */
export async function retryMedium(store: Store, id: string, link: Link, now: number): Promise<MediumJson> {
  await store.retryMedium(id, now);
  return mediumJson(await store.medium(id), link);
}

/** Downloads all that are meant again, oldest first; what cannot be is told and passed over. */
export async function* retryMedia(
  store: Store,
  filter: Pick<MediaWish, "state" | "videoId" | "kind" | "since" | "until">,
  now: () => number,
): AsyncGenerator<Done> {
  for (const id of await collectIds((page) => store.media({ ...page, ...filter }), filter)) {
    try {
      await store.retryMedium(id, now());
      yield { id, error: null };
    } catch (error) {
      yield { id, error: errorLine(error) };
    }
  }
}
