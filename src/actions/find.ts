import { RelayError } from "../errors.ts";
import type { Video } from "../model/video.ts";
import type { Store } from "../store/store.ts";
import { knownVideo } from "./videos.ts";

/** Videos of one kind that are shown. */
const FEW = 20;

/** The fewest characters of a part of a title. */
const LEAST = 3;

/** What an id is of, by its beginning. */
const KINDS = { evt: "event", dlv: "delivery", med: "medium", qrn: "quarantined", tsk: "task" } as const;

export type FoundKind = (typeof KINDS)[keyof typeof KINDS] | "video" | "endpoint";

/**
 * What a text leads to: one thing, whose page is meant; or videos that have, or had, exactly this context, and videos with this
 * in their title (null: it is too short to look for). `isId`: it has the form of an id, and nothing is there with it.
 */
export type Found =
  | { is: "one"; kind: FoundKind; id: string }
  | { is: "some"; isId: boolean; ofContext: Video[]; byTitle: Video[] | null; isMore: boolean };

/** An id, a video, an endpoint, a context, or a part of a title. */
export async function findAnything(
  { store, config }: { store: Store; config: { endpoints: { id: string }[] } },
  text: string,
): Promise<Found> {
  const [, prefix] = /^(evt|dlv|med|qrn|tsk)_[0-9a-v]{11,17}$/.exec(text) ?? [];
  if (prefix !== undefined) {
    const kind = KINDS[prefix as keyof typeof KINDS];
    if (await isThere(store, kind, text)) return { is: "one", kind, id: text };
    return { is: "some", isId: true, ofContext: [], byTitle: null, isMore: false };
  }
  if (config.endpoints.some(({ id }) => id === text)) return { is: "one", kind: "endpoint", id: text };
  const isLong = [...text].length >= LEAST;
  const [video, ofContext, byTitle] = await Promise.all([
    knownVideo(store, text),
    store.videosOfContext(text, { limit: FEW + 1 }),
    isLong ? store.videos({ q: text, limit: FEW + 1 }) : null,
  ]);
  if (video !== null) return { is: "one", kind: "video", id: video.videoId };
  // A title that only holds the letters is another matter: one video of the context is the one that was meant.
  const [first, second] = ofContext.length > 0 ? ofContext : (byTitle ?? []);
  if (first !== undefined && second === undefined) return { is: "one", kind: "video", id: first.videoId };
  const isMore = ofContext.length > FEW || (byTitle?.length ?? 0) > FEW;
  return {
    is: "some",
    isId: false,
    ofContext: ofContext.slice(0, FEW),
    byTitle: byTitle?.slice(0, FEW) ?? null,
    isMore,
  };
}

async function isThere(store: Store, kind: FoundKind, id: string): Promise<boolean> {
  const look = {
    event: () => store.event(id),
    delivery: () => store.delivery(id, 0),
    medium: () => store.medium(id),
    quarantined: () => store.quarantinedBody(id),
    task: () => store.task(id),
  }[kind as (typeof KINDS)[keyof typeof KINDS]];
  try {
    await look();
    return true;
  } catch (error) {
    if (error instanceof RelayError && error.code === "not_found") return false;
    throw error;
  }
}
