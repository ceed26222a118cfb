import { TALLY_BOUNDS, type Tally } from "../store/counts.ts";

const HOUR = 3_600_000;

/** What happened in one hour; `times`: how many took up to each of `TALLY_BOUNDS`, and longer. */
export type Hour = Pick<Tally, "hour" | "ok" | "failed" | "times">;

/** When the first of the last `count` hours began; the last one is the one under way. Milliseconds since 1970. */
export const firstHour = (now: number, count = 24): number => now - (now % HOUR) - (count - 1) * HOUR;

/** The last hours, each of them, the first one first, with what all of these tallies have in it. */
export function byHour(tallies: Tally[], now: number, count = 24): Hour[] {
  const first = firstHour(now, count);
  const hours = Array.from({ length: count }, (_, at) => nothingIn(first + at * HOUR));
  for (const { hour, ok, failed, times } of tallies) {
    const into = hours[(hour - first) / HOUR];
    if (into === undefined) continue;
    into.ok += ok;
    into.failed += failed;
    for (const [at, many] of times.entries()) into.times[at] = (into.times[at] ?? 0) + many;
  }
  return hours;
}

const nothingIn = (hour: number): Hour => ({ hour, ok: 0, failed: 0, times: [] });

/** All of some hours in one. */
export function sumOf(hours: Hour[]): Hour {
  const sum = nothingIn(hours[0]?.hour ?? 0);
  for (const { ok, failed, times } of hours) {
    sum.ok += ok;
    sum.failed += failed;
    for (const [at, many] of times.entries()) sum.times[at] = (sum.times[at] ?? 0) + many;
  }
  return sum;
}

/**
 * About how much this share of some counted values is at most, by the upper bounds by which they were counted, evenly between
 * two of them: how long attempts took, in milliseconds, unless other bounds are given. Null: there are none.
 */
export function quantileOf(counts: number[], share: number, bounds: readonly number[] = TALLY_BOUNDS): number | null {
  const all = counts.reduce((sum, many) => sum + many, 0);
  if (all === 0) return null;
  let rest = share * all;
  for (const [at, many] of counts.entries()) {
    const from = bounds[at - 1] ?? 0;
    const to = bounds[at];
    // Beyond the last bound nothing is known.
    if (to === undefined) return from;
    if (rest <= many) return from + ((to - from) * rest) / Math.max(1, many);
    rest -= many;
  }
  return bounds.at(-1)!;
}
