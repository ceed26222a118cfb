import type { Config } from "../config/schema.ts";
import type { Store } from "../store/store.ts";
import { describeEndpoints } from "./endpoints.ts";
import { isoTime } from "./json.ts";
import { readBacklog } from "./outcome/backlog.ts";
import { readStorage } from "./prune.ts";

/** What there is and what waits, in numbers, and which medium is next to its deadline. `now`: milliseconds since 1970. */
export async function readStatus(store: Store, config: Pick<Config, "dataDir" | "endpoints">, now: number) {
  const [counts, endpoints] = [await store.counts(), await store.endpoints()];
  const [next] = await store.media({ limit: 1, byDeadline: true });
  const { events, videos, media, uploads, deletions, deliveries, quarantine } = counts;
  const unfinished = (media.pending ?? 0) + (media.running ?? 0);
  const sum = (state: string) =>
    deliveries.filter((one) => one.state === state).reduce((total, { count }) => total + count, 0);
  const shown = describeEndpoints(config, endpoints, deliveries);
  return {
    dataDir: config.dataDir,
    events,
    videos,
    media,
    /** Secured in the spool, and waiting for the target. */
    uploads,
    /** Copies that are to be deleted now. */
    deletions,
    /** Not downloaded yet. */
    unsecured: {
      count: Math.max(0, unfinished - uploads),
      nearestDeadline: next === undefined ? null : isoTime(next.deadline),
      mediumId: next?.id ?? null,
    },
    deliveries: { waiting: sum("waiting"), pending: sum("pending"), running: sum("running"), dead: sum("dead") },
    endpoints: shown,
    backlog: await readBacklog(store, shown, now),
    quarantine,
    database: await readStorage(store),
  };
}
