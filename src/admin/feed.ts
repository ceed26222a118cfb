import * as v from "valibot";
import { feedBytes, readFeed } from "../actions/feed/read.ts";
import { parseDuration } from "../config/units.ts";
import { misfit } from "./check.ts";
import type { Asked, Place } from "./operation.ts";
import { flag, type Given, LIMIT, LONGEST } from "./query.ts";

// The feed, which GET /events is with `after`.

/** The longest wait for an event, in milliseconds. */
const LONGEST_WAIT = 60_000;

/** The parameters of the feed that the list does not have. */
export const feedEntries = {
  after: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(LONGEST),
      v.description(
        "Makes it a feed, oldest first: empty begins at the oldest event, `now` behind the newest, else the `next` of an answer with the same filters. `next` is never null: who goes on with it misses no event and gets none twice. It goes with type, videoId and context",
      ),
    ),
  ),
  wait: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,5}(ms|s|m)$/, "must be a duration of at most a minute, like 30s"),
      v.description("With `after`: for how long an answer is put off while there is no event, 60s at most"),
    ),
  ),
  include: v.optional(
    v.pipe(
      v.picklist(["body"]),
      v.description("With `after`: adds the enriched body as it would be sent now; null once it has been pruned"),
    ),
  ),
  ready: flag(
    "With `after`: ends before the first event that is younger than an hour and whose media are not settled, so that links are durable",
  ),
};

/** What goes with `after`. */
const FITS = new Set([...Object.keys(feedEntries), "limit", "type", "videoId", "context"]);

/** What only goes with it. */
const NEEDS_AFTER = ["wait", "include", "ready"];

/** Whether a query asks for the feed. Misfit for parameters that do not go together. */
export function isFeed(query: Given): boolean {
  const names = Object.keys(query).filter((name) => query[name] !== undefined);
  const isAsked = query.after !== undefined;
  const wrong = names.find((name) => (isAsked ? !FITS.has(name) : NEEDS_AFTER.includes(name)));
  if (wrong === undefined) return isAsked;
  const why = isAsked ? "does not go with after: a feed has type, videoId and context" : "goes with after";
  throw misfit("invalid_query", wrong, why);
}

/** A page of the feed. */
export async function feedPage({ query, signal }: Pick<Asked<Given, unknown>, "query" | "signal">, place: Place) {
  const wait = query.wait === undefined ? 0 : parseDuration(query.wait as string);
  if (wait === null || wait > LONGEST_WAIT) throw misfit("invalid_query", "wait", "must be at most 60s");
  const asked = {
    ...(query as { type?: string; videoId?: string; context?: string }),
    ...{ after: query.after as string, limit: (query.limit as number | undefined) ?? LIMIT, wait },
    ...{ bodies: query.include === "body", ready: query.ready === true },
  };
  const answer = await readFeed(place, asked, { clock: place.ports.clock, waits: place.feedWaits, signal });
  return new Response(feedBytes(answer), { headers: { "content-type": "application/json" } });
}
