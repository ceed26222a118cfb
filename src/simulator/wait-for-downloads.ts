import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { ServedMedium } from "./medium.ts";
import type { Provider } from "./provider.ts";

/**
 * A relay requests a link again that a later event announces. It is taken to be done when it has requested nothing for this
 * long, in milliseconds.
 */
const QUIET = 2_000;

/** How often that is checked, in milliseconds. */
const LOOK_EVERY = 100;

/** How many of the media that were not fetched are named. */
const NAMED = 5;

type Wait = {
  /** Seconds at most. */
  linger: number;
  clock: Clock;
  /** Ends it early. */
  signal: AbortSignal;
  say(line: string): void;
};

/** After the last event: waits until the relay has all media and requests nothing more, and says what it has fetched. */
export async function waitForDownloads(provider: Provider, { linger, clock, signal, say }: Wait): Promise<void> {
  const all = provider.media().length;
  if (all === 0) return;
  const missing = () => provider.media().filter(({ isTaken }) => !isTaken);
  const began = clock.elapsed();
  const quiet = () => Math.min(provider.quietFor(), clock.elapsed() - began);
  if (linger > 0) say(`serving ${all} media until the relay has them (at most ${linger} s, or Ctrl-C)`);
  while (!signal.aborted && clock.elapsed() - began < linger * 1000 && (quiet() < QUIET || missing().length > 0)) {
    await sleep(LOOK_EVERY, clock, signal);
  }
  const left = missing();
  if (left.length > 0) say(`${left.length} of ${all} media were not fetched: ${describeMissing(left)}`);
  else say(`the relay has fetched all ${all} media`);
}

function describeMissing(media: ServedMedium[]): string {
  const lines = media.slice(0, NAMED).map((medium) => `${medium.path} (${whyMissing(medium)})`);
  if (media.length > NAMED) lines.push(`and ${media.length - NAMED} more`);
  return lines.join(", ");
}

function whyMissing({ counts }: ServedMedium): string {
  if (counts.requests === 0) return "never asked for";
  if (counts.open > 0) return "under way";
  const had = counts.downloads + counts.notModified > 0 ? "fetched before, not as it is now" : "never fetched whole";
  return `${had}; ${counts.requests} ${counts.requests === 1 ? "request" : "requests"}`;
}
