/** Counts of values by upper bound; `counts` has one more member, for what is beyond the last bound. Plain data. */
export type Distribution = { counts: number[]; sum: number };

/** Counts values by these upper bounds, which grow; each bound belongs to the values below it. */
export function createHistogram(bounds: readonly number[]): { add(value: number): void; now(): Distribution } {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  return {
    add(value) {
      let at = 0;
      while (at < bounds.length && value > bounds[at]!) at++;
      counts[at]!++;
      sum += value;
    },
    now: () => ({ counts: [...counts], sum }),
  };
}
