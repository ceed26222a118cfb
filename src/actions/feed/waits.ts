import { sleep } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";

/** Readers that may wait at once: each holds a connection of the listener, which has 256, and looks once a second. */
const MOST_WAITING = 128;

/** Where readers of the feed wait for events. */
export type FeedWaits = {
  /** Events were committed: who waits looks again. */
  wake(): void;
  /** How often there was a `wake`. A reader asks before it looks: what is committed while it does is news. */
  news(): number;
  /** Resolves once there was a `wake` after these news, after `ms` milliseconds, or when the signal is aborted. */
  next(news: number, ms: number, signal: AbortSignal): Promise<void>;
  /** A place for one that waits, which the returned function gives back; null: all are taken. */
  enter(): (() => void) | null;
  /** Runs `work` once what came before has ended: bodies are large, and many readers at once would hold all else up. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** The relay stops: nothing is waited for any longer. */
  end(): void;
  hasEnded(): boolean;
};

export function createFeedWaits(clock: Clock, most = MOST_WAITING): FeedWaits {
  const sleepers = new Set<() => void>();
  let news = 0;
  let inside = 0;
  let hasEnded = false;
  let before: Promise<unknown> = Promise.resolve();
  const wake = () => {
    news++;
    for (const go of sleepers) go();
  };
  return {
    wake,
    news: () => news,
    async next(since, ms, signal) {
      if (news !== since) return;
      const woken = new AbortController();
      const go = () => woken.abort();
      signal.addEventListener("abort", go);
      sleepers.add(go);
      await sleep(ms, clock, woken.signal);
      sleepers.delete(go);
      signal.removeEventListener("abort", go);
    },
    enter() {
      if (inside >= most) return null;
      inside++;
      return () => {
        inside--;
      };
    },
    inTurn(work) {
      const own = before.then(work);
      before = own.catch(() => {});
      return own;
    },
    end() {
      hasEnded = true;
      wake();
    },
    hasEnded: () => hasEnded,
  };
}
