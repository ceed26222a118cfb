import type { Delivery, LoggedAttempt } from "../../model/delivery.ts";
import type { StoredEvent } from "../../model/event.ts";
import type { Medium } from "../../model/medium.ts";
import type { Store } from "../../store/store.ts";
import { collect, walk } from "../list.ts";

/** The newest deliveries of an event that have their attempts, and attempts of each. */
const LOGGED = 20;

/** A delivery with its newest attempts, the first one first; of older deliveries there are none. */
export type Sent = Delivery & { attemptLog: LoggedAttempt[] };

/** An event with what became of it: its media as of now, its deliveries, newest first. `more`: there are further ones. */
export type Story = { event: StoredEvent; title: string | null; media: Medium[]; deliveries: Sent[]; more: boolean };

/** With the newest `limit` deliveries. RelayError("not_found") for an event that is not there. */
export async function readStory(
  store: Pick<Store, "event" | "eventMedia" | "deliveries" | "delivery" | "video">,
  id: string,
  limit: number,
): Promise<Story> {
  const event = await store.event(id);
  const { videoId } = event;
  const [media, found, title] = await Promise.all([
    store.eventMedia(id),
    collect(walk((page) => store.deliveries(page), { eventId: id, limit: limit + 1 })),
    videoId === null ? null : store.video(videoId, 0).then((video) => video.title),
  ]);
  const deliveries = await Promise.all(
    found.slice(0, limit).map((one, at) => (at < LOGGED ? store.delivery(one.id, LOGGED) : { ...one, attemptLog: [] })),
  );
  return { event, title, media, deliveries, more: found.length > limit };
}

/** Of each endpoint the newest of these deliveries: what its state comes of. They are given newest first. */
export function newestByEndpoint<One extends { endpoint: string }>(deliveries: One[]): One[] {
  const newest = new Map<string, One>();
  for (const one of deliveries) if (!newest.has(one.endpoint)) newest.set(one.endpoint, one);
  return [...newest.values()];
}
