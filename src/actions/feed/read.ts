import { setImmediate } from "node:timers/promises";
import { RelayError } from "../../errors.ts";
import { buildBody } from "../../message/body.ts";
import type { MediumLink } from "../../message/media-reports.ts";
import type { StoredEvent } from "../../model/event.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { FeedFilter, FeedPage, FeedWish, MessageParts } from "../../store/feed.ts";
import { checkEpoch, readCursor, writeCursor } from "../cursor.ts";
import { typesOf } from "../filters/types.ts";
import { eventJson, type Link } from "../json.ts";
import type { Sources } from "../list.ts";
import type { FeedWaits } from "./waits.ts";

/** Between two looks for what `wake` does not say (other processes' commits, media that settle), in milliseconds. */
const LOOK_EVERY = 1_000;

/** For how long events that do not match are passed over before an answer without any, in milliseconds. */
const SEARCH_FOR = 1_000;

/** With `ready` media are waited for as long as this after an event was received (CONTRACT, "Admin listener"), in milliseconds. */
const READY_WITHIN = 3_600_000;

/** A page ends once the received bodies of its events have this sum, in bytes. */
const BODIES = 4 * 2 ** 20;

/** Bytes of bodies that are built before other work has its turn: some milliseconds. */
const AT_ONCE = 2 ** 18;

/** The longest pause before a look of who was woken in vain again and again, in milliseconds; the first one is a millisecond. */
const LONGEST_PAUSE = 250;

/** As a client writes them; a cursor belongs to them. `type`: patterns with commas between them. */
export type FeedFilters = { type?: string | undefined; videoId?: string | undefined; context?: string | undefined };

/** The filters as the store takes them. */
export function filterOf({ type, videoId, context }: FeedFilters): FeedFilter {
  return { types: typesOf(type), videoId, context };
}

export type FeedQuery = FeedFilters & {
  /** "": begins at the oldest event; "now": behind the newest; else the `next` of an answer with the same filters. */
  after: string;
  limit: number;
  /** For how long an answer is put off while there is no event, in milliseconds. */
  wait: number;
  /** With the bodies that would be sent now. */
  bodies: boolean;
  /** Ends before the first event that is younger than an hour and whose media are not settled. */
  ready: boolean;
};

export type EventJson = ReturnType<typeof eventJson>;

/** `body`: JSON, as an endpoint would get it now; null: it has been pruned, or erased; undefined: it was not asked for. */
export type FeedItem = { event: EventJson; body: Uint8Array | null | undefined };

/** `next`: the cursor of what follows. There may be some already. */
export type FeedAnswer = { items: FeedItem[]; next: string };

/**
 * A page of the feed: events in the order of their commits, the oldest first. Who goes on with `next` misses none and gets none
 * twice. RelayError("invalid_query") for a cursor that is none or of other filters, "cursor_expired" for one of another epoch,
 * "too_many_requests" where too many wait already.
 */
export async function readFeed(
  sources: Pick<Sources, "store" | "openLink">,
  query: FeedQuery,
  { clock, waits, signal }: { clock: Clock; waits: FeedWaits; signal: AbortSignal },
): Promise<FeedAnswer> {
  const { limit, bodies, ready, type, videoId, context } = query;
  const filters = { type, videoId, context };
  const place = query.after === "" || query.after === "now" ? null : readCursor(query.after, filters);
  let after: FeedWish["after"] = place ?? (query.after === "now" ? "end" : "oldest");
  const begun = clock.elapsed();
  const leave = query.wait > 0 ? waits.enter() : () => {};
  if (leave === null) throw new RelayError("too_many_requests", "too many readers wait already: ask again later");
  try {
    for (let inVain = 0; ; ) {
      const news = waits.news();
      const { answer, isMore, left } = bodies ? await waits.inTurn(look) : await look();
      if (answer !== null) return answer;
      if (isMore) continue;
      await waits.next(news, Math.min(left, LOOK_EVERY), signal);
      // Others' events are news, too.
      if (waits.news() !== news) await sleep(Math.min(left, 2 ** inVain++, LONGEST_PAUSE), clock, signal);
    }
  } finally {
    leave();
  }

  /** `answer` null: events are waited for, `left` milliseconds at most. */
  async function look(): Promise<{ answer: FeedAnswer | null; isMore: boolean; left: number }> {
    const held = ready && { heldFrom: clock.now() - READY_WITHIN + 1 };
    const wish = { ...filterOf(filters), after, limit, ...held, ...(bodies && { bodies: BODIES }) };
    const page = await sources.store.feed(wish);
    if (place !== null) checkEpoch(place, page.epoch);
    after = { position: page.position };
    const { isMore } = page;
    const left = begun + (isMore ? Math.max(query.wait, SEARCH_FOR) : query.wait) - clock.elapsed();
    const isAnswer = page.events.length > 0 || left <= 0 || signal.aborted || waits.hasEnded();
    return { answer: isAnswer ? await answerOf(page) : null, isMore, left };
  }

  async function answerOf(page: FeedPage): Promise<FeedAnswer> {
    const link = bodies && page.events.length > 0 ? await sources.openLink() : () => null;
    const items: FeedItem[] = [];
    let built = 0;
    for (const { event, parts } of page.events) {
      items.push({ event: eventJson(event), body: parts === null ? undefined : bodyOf(event, parts, link) });
      built += parts?.body?.length ?? 0;
      if (built < AT_ONCE) continue;
      built = 0;
      await setImmediate();
    }
    return { items, next: writeCursor(page, filters) };
  }
}

/** Null also for one that cannot be built: it must not hold up all that follow. */
function bodyOf(event: StoredEvent, { body, media, contexts }: MessageParts, link: Link): Uint8Array | null {
  if (body === null) return null;
  try {
    return buildBody({ event, body, media, contexts, link: linkOf(link), replay: false, mode: "enriched" }).body;
  } catch {
    return null;
  }
}

/** The address of a medium in a body: without a copy there is only the provider's. */
export function linkOf(link: Link): MediumLink {
  return ({ key, target, sourceUrl }) => (key === null ? sourceUrl : link({ key, target }));
}

/**
 * An answer as JSON: `data` holds the events, each with its `body` where that was asked for. The bodies stand in it as they
 * would be sent, with the characters of the provider.
 */
export function feedBytes({ items, next }: FeedAnswer): Uint8Array<ArrayBuffer> {
  const pieces = items.flatMap(({ event, body }, at) => {
    const text = `${at === 0 ? "" : ","}${JSON.stringify(event)}`;
    if (body === undefined) return [text];
    return [`${text.slice(0, -1)},"body":`, body ?? "null", "}"];
  });
  const all = ['{"data":[', ...pieces, `],"next":${JSON.stringify(next)}}`];
  return Buffer.concat(all.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
}
