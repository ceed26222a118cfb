/** Which events an endpoint asked for. */

/** An endpoint, as far as its choice of events goes. */
export type Reader = { id: string; events: string[]; order: "video" | "none" };

/** The relay's own notices are asked for by name: `*` does not mean them (CONTRACT, "Notices"). */
const NOTICES = "relay.";

/** The types of notices about media. */
export const MEDIA_NOTICES = {
  mirrored: "relay.media.mirrored",
  failed: "relay.media.failed",
  atRisk: "relay.media.at_risk",
} as const;

/**
 * Whether one of an endpoint's `events` patterns takes this topic. A pattern is an exact name, `*` for all that comes from
 * the provider, or a prefix with `.*`: "draft.*" takes "draft.new" and "draft.a.b", not "draft". A topic that begins with
 * "relay." is taken only by a pattern that begins with "relay." as well.
 */
export function topicMatches(patterns: string[], topic: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === topic) return true;
    if (pattern === "*") return !topic.startsWith(NOTICES);
    return pattern.endsWith(".*") && topic.startsWith(pattern.slice(0, -1));
  });
}

/** The endpoints that are told of this topic, which the relay itself has to tell. */
export function readersOf(topic: string, endpoints: Reader[]): { endpoint: string; ordered: boolean }[] {
  return endpoints
    .filter(({ events }) => topicMatches(events, topic))
    .map(({ id, order }) => ({ endpoint: id, ordered: order === "video" }));
}
