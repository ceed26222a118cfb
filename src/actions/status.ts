import type { Config } from "../config/schema.ts";
import type { Store } from "../store/store.ts";
import { describeEndpoints } from "./endpoints.ts";
import { isoTime } from "./json.ts";

/** What there is and what waits, in numbers, and which medium comes next to its deadline. */
export async function readStatus(store: Store, config: Pick<Config, "dataDir" | "endpoints">) {
  const [counts, endpoints] = [await store.counts(), await store.endpoints()];
  const [next] = await store.media({ limit: 1, byDeadline: true });
  const unfinished = (counts.media.pending ?? 0) + (counts.media.running ?? 0);
  const states = new Map(endpoints.map((state) => [state.endpoint, state]));
  const sum = (state: string) =>
    counts.deliveries.filter((one) => one.state === state).reduce((total, { count }) => total + count, 0);
  return {
    dataDir: config.dataDir,
    events: counts.events,
    videos: counts.videos,
    media: counts.media,
    /** Secured in the spool, and waiting for the target. */
    uploads: counts.uploads,
    /** Copies that are to be deleted now. */
    deletions: counts.deletions,
    /** Not downloaded yet. */
    unsecured: {
      count: Math.max(0, unfinished - counts.uploads),
      nearestDeadline: next === undefined ? null : isoTime(next.deadline),
      mediumId: next?.id ?? null,
    },
    deliveries: { waiting: sum("waiting"), pending: sum("pending"), running: sum("running"), dead: sum("dead") },
    endpoints: describeEndpoints(config, states, counts.deliveries),
    quarantine: counts.quarantine,
  };
}
