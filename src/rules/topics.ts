import { NOTICE_PREFIX, type NoticeType } from "../model/notice.ts";

/** The options of an endpoint that choose its events. */
export type Reader = { id: string; events: string[]; order: "video" | "none" };

/**
 * Whether one of an endpoint's `events` patterns takes this topic. A pattern is an exact name, `*` for all that comes from
 * the provider, or a prefix with `.*`: "draft.*" takes "draft.new" and "draft.a.b", not "draft". A topic that begins with
 * "relay." is taken only by a pattern that begins with "relay." as well.
 */
export function topicMatches(patterns: string[], topic: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === topic) return true;
    // Notices are asked for by name (CONTRACT, "Notices").
    if (pattern === "*") return !topic.startsWith(NOTICE_PREFIX);
    return pattern.endsWith(".*") && topic.startsWith(pattern.slice(0, -1));
  });
}

/** The endpoints that ask for this notice. */
export function readersOf(topic: NoticeType, endpoints: Reader[]): { endpoint: string; ordered: boolean }[] {
  return endpoints
    .filter(({ events }) => topicMatches(events, topic))
    .map(({ id, order }) => ({ endpoint: id, ordered: order === "video" }));
}
