import { errorLine, RelayError } from "../errors.ts";
import type { MediaKind, MediaState } from "../model/medium.ts";
import type { Page, Store } from "../store/store.ts";
import { type Link, type MediumJson, mediumJson } from "./json.ts";
import { collectIds, type Done, idOf, walk } from "./paging.ts";

/** `byDeadline`: only what is not secured yet, the nearest deadline first. */
export type MediaWish = Page & { state?: MediaState; videoId?: string; kind?: MediaKind; byDeadline?: boolean };

export async function* listMedia(store: Store, wish: MediaWish, link: Link): AsyncGenerator<MediumJson> {
  for await (const medium of walk((page) => store.media({ ...wish, ...page }), idOf, wish)) {
    yield mediumJson(medium, link);
  }
}

/** Downloads a medium again, from the first attempt on. */
export async function retryMedium(store: Store, id: string, link: Link, now: number): Promise<MediumJson> {
  try {
    await store.retryMedium(id, now);
  } catch (error) {
    if (!(error instanceof RelayError) || error.code !== "conflict") throw error;
    if ((await store.medium(id)).state !== "mirrored") throw error;
    throw new RelayError(
      "conflict",
      `${id} is mirrored; "media verify --mend" downloads copies again that are damaged`,
    );
  }
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
