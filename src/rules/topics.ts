import { NOTICE_PREFIX, type NoticeType } from "../model/notice.ts";

/** Which values are taken: those that are listed or begin as a listed one that ends with `*` ("page-*"); null: all. */
type Listed = string[] | null;

/** The options of an endpoint that choose its events (CONTRACT, "Choice"). */
export type Choice = { events: string[]; filter: { context: Listed; videoId: Listed } };

export type Reader = Choice & { id: string; order: "video" | "none" };

/** What is chosen by. `context`: null where none is known; `videoId`: null for a notice that is about no video. */
export type Subject = { topic: string; context: string | null; videoId: string | null };

/**
 * Whether these `events` patterns take a topic: the last one that matches decides, and one that begins with "!" takes out. A
 * pattern is an exact name, `*` for all that comes from the provider, or a prefix with `.*`: "draft.*" takes "draft.new" and
 * "draft.a.b", not "draft". Only a pattern that begins with "relay." matches a topic that does.
 */
export function topicMatches(patterns: string[], topic: string): boolean {
  const decides = patterns.findLast((pattern) => includes(nameOf(pattern), topic));
  return decides !== undefined && !takesOut(decides);
}

/** Whether an endpoint gets what is said of this subject. No context is in no list; what is about no video passes every filter. */
export function wants({ events, filter }: Choice, { topic, context, videoId }: Subject): boolean {
  if (!topicMatches(events, topic)) return false;
  return videoId === null || (isListed(filter.videoId, videoId) && isListed(filter.context, context));
}

/** The endpoints that ask for this notice. */
export function readersOf(
  topic: NoticeType,
  about: Omit<Subject, "topic">,
  endpoints: Reader[],
): { endpoint: string; ordered: boolean }[] {
  return endpoints
    .filter((endpoint) => wants(endpoint, { topic, ...about }))
    .map(({ id, order }) => ({ endpoint: id, ordered: order === "video" }));
}

/** Whether a pattern takes topics out. */
export const takesOut = (pattern: string) => pattern.startsWith("!");

/** A pattern without its "!". */
export const nameOf = (pattern: string) => (takesOut(pattern) ? pattern.slice(1) : pattern);

/** Whether a pattern matches a topic, or all that another pattern (`given`) matches; both without "!". */
export function includes(pattern: string, given: string): boolean {
  if (pattern === given) return true;
  // Notices are asked for by name (CONTRACT, "Notices").
  if (pattern === "*") return !given.startsWith(NOTICE_PREFIX);
  return pattern.endsWith(".*") && given.startsWith(pattern.slice(0, -1));
}

function isListed(list: Listed, value: string | null): boolean {
  if (list === null) return true;
  if (value === null) return false;
  return list.some((one) => (one.endsWith("*") ? value.startsWith(one.slice(0, -1)) : one === value));
}
