import type { Clock, Log } from "../ports.ts";
import { isPlausibleTime } from "../rules/plausible-time.ts";

/** A jump beyond this is taken for a mistake of the machine's clock, in milliseconds; one of a machine that slept is shorter. */
const JUMP = 365 * 24 * 3_600_000;

/** A clock that is moved by less than this, in milliseconds, is being disciplined, not set. */
const WORTH_TELLING = 1_000;

/** A mistake that lasts this long is none, in milliseconds. */
const LASTS = 10 * 60_000;

export type SteadyClock = Clock & {
  /**
   * Calls back, from within `now`, at every jump that is followed, with its milliseconds (negative: back), and when a mistake
   * is over; at once for those before.
   */
  onJump(heed: (ms: number) => void): void;
};

/**
 * The machine's clock, but for its mistakes: a clock that is wrong by years for a moment must expire no link, delete no copy
 * before its time and give no delivery a due time that never comes. Such a jump is followed after ten minutes, at once from
 * a time that cannot be right, never to one that cannot be right; meanwhile the time goes on as if there had been none.
 * Each is logged once.
 */
export function steadyClock(clock: Clock, log: Pick<Log, "error">): SteadyClock {
  let time = clock.now();
  let at = clock.elapsed();
  let doubtedSince: number | null = null;
  const unheeded: number[] = [];
  let heed: (ms: number) => void = (ms) => unheeded.push(ms);

  function doubts(said: number, expected: number): boolean {
    return isPlausibleTime(expected) && Math.abs(said - expected) > JUMP;
  }

  function now(): number {
    const said = clock.now();
    const elapsed = clock.elapsed();
    const expected = time + Math.round(elapsed - at);
    if (doubts(said, expected)) {
      if (doubtedSince === null) {
        const [machine, relay] = [said, expected].map((ms) => new Date(ms).toISOString());
        log.error("the machine's clock jumped by years and is not followed yet: set it right", { machine, relay });
      }
      doubtedSince ??= elapsed;
      if (!isPlausibleTime(said) || elapsed - doubtedSince < LASTS) return expected;
    }
    // A mistake that is over may have been one for other processes, too.
    const wasDoubted = doubtedSince !== null;
    doubtedSince = null;
    time = said;
    at = elapsed;
    if (wasDoubted || Math.abs(said - expected) >= WORTH_TELLING) heed(said - expected);
    return said;
  }

  return {
    now,
    elapsed: () => clock.elapsed(),
    after: (ms, run) => clock.after(ms, run),
    onJump(run) {
      heed = run;
      for (const ms of unheeded.splice(0)) heed(ms);
    },
  };
}
