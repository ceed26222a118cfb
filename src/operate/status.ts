import type { Config } from "../config.ts";
import type { Store } from "../store/store.ts";
import { describeEndpoints } from "./endpoints.ts";

/** What there is and what waits, in numbers. */
export async function readStatus(store: Store, config: Pick<Config, "dataDir" | "endpoints">) {
  const [counts, endpoints] = [await store.counts(), await store.endpoints()];
  const states = new Map(endpoints.map((state) => [state.endpoint, state]));
  const sum = (state: string) =>
    counts.deliveries.filter((one) => one.state === state).reduce((total, { count }) => total + count, 0);
  return {
    dataDir: config.dataDir,
    events: counts.events,
    videos: counts.videos,
    media: counts.media,
    deliveries: { waiting: sum("waiting"), pending: sum("pending"), running: sum("running"), dead: sum("dead") },
    endpoints: describeEndpoints(config, states, counts.deliveries),
    quarantine: counts.quarantine,
  };
}
