import type { Clock, Log } from "../../ports.ts";

/**
 * Writes warnings of one kind, at most `burst` within `every` milliseconds. The next line has `omitted`: how many were not
 * written.
 */
export function createLimitedLog(
  log: Pick<Log, "warn">,
  clock: Pick<Clock, "elapsed">,
  { every = 60_000, burst = 1 }: { every?: number; burst?: number } = {},
): Log["warn"] {
  let since = Number.NEGATIVE_INFINITY;
  let written = 0;
  let omitted = 0;
  return (fact, fields) => {
    const now = clock.elapsed();
    if (now - since >= every) {
      since = now;
      written = 0;
    }
    if (written === burst) {
      omitted++;
      return;
    }
    written++;
    log.warn(fact, omitted > 0 ? { ...fields, omitted } : fields);
    omitted = 0;
  };
}
