import { every, sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";

/**
 * Milliseconds: how often it is looked for titles that have changed, where each look is a question to a server less often; and
 * the pause between two pieces as a multiple of one.
 */
const LOOK_EVERY = { alone: 5_000, shared: 10_000 };
const PAUSE_PER_WORK = 4;

/** Makes the titles that have changed quick to find, in pieces that hold no event up. What fails is tried again. */
export function startTitles({ store, clock }: { store: Pick<Store, "indexTitles" | "shared">; clock: Clock }): {
  stop(): Promise<void>;
} {
  const stopped = new AbortController();
  const { signal } = stopped;
  let turn = Promise.resolve();

  async function run(): Promise<void> {
    for (let isMore = true; isMore && !signal.aborted; ) {
      const began = clock.elapsed();
      isMore = (await store.indexTitles()).isMore;
      if (isMore) await sleep(PAUSE_PER_WORK * Math.max(1, clock.elapsed() - began), clock, signal);
    }
  }

  const cancel = every(store.shared === null ? LOOK_EVERY.alone : LOOK_EVERY.shared, clock, () => {
    turn = run().catch(() => {});
    return turn;
  });

  return {
    stop() {
      cancel();
      stopped.abort();
      return turn;
    },
  };
}
