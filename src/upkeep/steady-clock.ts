import type { Clock, Log } from "../ports.ts";
import { isPlausibleTime } from "../rules/plausible-time.ts";

/** Milliseconds. A longer jump counts as an error of the machine's clock; the jump after a machine's sleep is shorter. */
const LONGEST_JUMP = 365 * 24 * 3_600_000;

/** Milliseconds. A smaller change is a correction by NTP, not a jump. */
const LEAST_JUMP = 1_000;

/** Milliseconds after which a long jump is followed: an error would have been corrected by then. */
const DOUBT_LASTS = 10 * 60_000;

export type SteadyClock = Clock & {
  /**
   * Calls back, from within `now`, at every jump that is followed, with its milliseconds (negative: back), and when an error
   * ends; at once for jumps before this call.
   */
  onJump(listener: (ms: number) => void): void;
};

/**
 * The machine's clock without its errors: a clock that is wrong by years for a moment must expire no link, delete no copy
 * early and give no delivery a due time in the far future. A jump by years is followed after ten minutes, at once where the
 * time before it is implausible, never where the time after it is; until then the time advances as if there had been no
 * jump. Each is logged once.
 */
export function steadyClock(clock: Clock, log: Pick<Log, "error">): SteadyClock {
  let time = clock.now();
  let at = clock.elapsed();
  let doubtedSince: number | null = null;
  const early: number[] = [];
  let report: (ms: number) => void = (ms) => early.push(ms);

  function now(): number {
    const said = clock.now();
    const elapsed = clock.elapsed();
    const expected = time + Math.round(elapsed - at);
    if (isPlausibleTime(expected) && Math.abs(said - expected) > LONGEST_JUMP) {
      if (doubtedSince === null) {
        doubtedSince = elapsed;
        const [machine, relay] = [said, expected].map((ms) => new Date(ms).toISOString());
        log.error("the machine's clock jumped by years and is not followed yet: set it right", { machine, relay });
      }
      if (!isPlausibleTime(said) || elapsed - doubtedSince < DOUBT_LASTS) return expected;
    }
    // The end of an error is reported too: it may have misled other processes.
    const wasDoubted = doubtedSince !== null;
    doubtedSince = null;
    time = said;
    at = elapsed;
    if (wasDoubted || Math.abs(said - expected) >= LEAST_JUMP) report(said - expected);
    return said;
  }

  return {
    now,
    elapsed: () => clock.elapsed(),
    after: (ms, run) => clock.after(ms, run),
    onJump(listener) {
      report = listener;
      for (const ms of early.splice(0)) report(ms);
    },
  };
}
