import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { FeedWish } from "../../store/feed.ts";
import type { Store } from "../../store/store.ts";
import { checkEpoch, readCursor, writeCursor } from "../cursor.ts";
import { eventJson } from "../json.ts";
import { type EventJson, type FeedFilters, filterOf } from "./read.ts";

/** Between two questions whether another process has committed, in milliseconds. */
const LOOK_EVERY = 1_000;

/** Events of one page. */
const PAGE = 200;

/** Where it begins: with the newest that there are, at most this many; at a time; behind a cursor, "" for the oldest. */
export type FollowFrom = { last: number } | { since: number } | { cursor: string };

/** `cursor`: of what follows; it goes with the same filters in the API, too. */
export type Followed = { events: EventJson[]; cursor: string };

/**
 * The feed as it goes on, the oldest event first, until the signal is aborted. Each page that has events is given, and the
 * first in any case. RelayError as `readFeed` has it, and "store_unavailable" once the database is another one.
 */
export async function* followFeed(
  store: Pick<Store, "feed" | "events" | "changeMark">,
  given: FeedFilters,
  from: FollowFrom,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): AsyncGenerator<Followed> {
  const { type, videoId, context } = given;
  const filters = { type, videoId, context };
  const filter = filterOf(filters);
  const place = "cursor" in from && from.cursor !== "" ? readCursor(from.cursor, filters) : null;
  let after: FeedWish["after"] = place ?? (await beginning());
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    // What is committed during the look changes the mark, so that the next one comes at once.
    const mark = await store.changeMark();
    const page = await store.feed({ ...filter, after, limit: PAGE });
    if (place !== null) checkEpoch(place, page.epoch);
    after = { position: page.position };
    if (isFirst || page.events.length > 0) {
      yield { events: page.events.map(({ event }) => eventJson(event)), cursor: writeCursor(page, filters) };
    }
    while (!page.isMore && !signal.aborted && (await store.changeMark()) === mark)
      await sleep(LOOK_EVERY, clock, signal);
  }

  async function beginning(): Promise<FeedWish["after"]> {
    if ("since" in from) return from;
    if ("cursor" in from) return "oldest";
    // Taken before the list: events that come between the two are not missed where the list is empty.
    const { position } = await store.feed({ ...filter, after: "end", limit: 1 });
    const oldest = (await store.events({ ...filter, limit: from.last })).at(-1);
    return oldest === undefined ? { position } : { event: oldest.id };
  }
}
