import { freePort } from "../processes.ts";
import { openBenchStore } from "../seed.ts";
import { benchConfig, SECRET, startRelay } from "../start-relay.ts";

// A relay over a database of years, as events are sent to it and its admin listener is asked.

export const TOKEN = "a-token-of-the-bench-that-is-long-enough";

/** Milliseconds until it was ready: `took`. `base`: of its admin listener. */
export async function startOver(dir: string) {
  // Nothing works beside the load, so the titles of the round before are still to be indexed.
  const { store } = await openBenchStore(dir, { endpoints: [] });
  while ((await store.indexTitles()).isMore);
  await store.close();
  const port = await freePort();
  const to = (id: string, events: string[]) => ({ id, url: "http://127.0.0.1:9/", secret: SECRET, events });
  const config = benchConfig({
    admin: { listen: `127.0.0.1:${port}`, token: TOKEN },
    // No worker takes them, and what waits is counted at each look: it would grow from round to round.
    endpoints: [to("cms", ["no.event"]), to("archive", ["no.event"])],
    mirror: { enabled: false },
    // What is old stays: pruning has a bench of its own (npm run test:retention).
    retention: { bodies: "3650d", attempts: "3650d" },
  });
  const begun = performance.now();
  const relay = await startRelay(dir, config, { workers: false });
  return { relay, base: `http://127.0.0.1:${port}`, took: performance.now() - begun };
}
