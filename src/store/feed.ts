import type { DeliveryJob } from "../model/delivery.ts";
import type { StoredEvent } from "../model/event.ts";
import type { Medium } from "../model/medium.ts";

/** What the body of a message about an event is built from, as of now. */
export type MessageParts = {
  /** As received; null: it has been pruned, or erased. */
  body: Uint8Array | null;
  media: Medium[];
  /** Of an event that was given its context: all contexts of its video, each once, the newest first. Else none. */
  contexts: string[];
};

export type FeedFilter = {
  /** Like an endpoint's `events`: "video.ready", "draft.*". Only those that begin with "relay." take notices. */
  types?: string[] | undefined;
  videoId?: string | undefined;
  context?: string | undefined;
};

export type FeedWish = FeedFilter & {
  /**
   * `oldest`: before all that there is. `since`: before the first that was committed at this time, in milliseconds.
   * `event`: before this one; RelayError("not_found") where there is none. `position`: of an earlier page; RelayError("invalid_query") for text that none has given.
   */
  after: "oldest" | "end" | { since: number } | { event: string } | { position: string };
  limit: number;
  /** The page ends before the first event that was received at this time or later and whose media are not settled. */
  heldFrom?: number;
  /** Adds the parts of the messages; the page ends once their received bodies have this sum, in bytes. */
  bodies?: number;
};

export type FeedPage = {
  events: { event: StoredEvent; parts: MessageParts | null }[];
  /** Behind all that this page has looked at, whether it matched or not: where the next one begins. */
  position: string;
  /** Which life of the store the position belongs to: `Store.epoch`, as of these rows. */
  epoch: string;
  /** There may be more already; else the next comes with a later commit, or when what is held is settled. */
  isMore: boolean;
};

/** What a message about an event to one endpoint would be made of now. `delivery`: the newest of the event to it; null: there is none. */
export type Preview = {
  event: StoredEvent;
  parts: MessageParts;
  delivery: (Pick<DeliveryJob, "id" | "messageId" | "replay"> & { attempts: number; hasEnded: boolean }) | null;
};

export type FeedVerbs = {
  /**
   * The events behind a position, in the order of their commits, the same for each reader: one that goes on from page to page
   * gets each event once, however many writers there are. A page looks at a bounded number of events, however few match.
   */
  feed(wish: FeedWish): Promise<FeedPage>;
  /** RelayError("not_found") for an event that is not there, "body_expired" for one whose body has been pruned. */
  preview(eventId: string, endpoint: string): Promise<Preview>;
};
