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

/** The bound within which this share of the values lies, the last one also for what is beyond it; null: there is none. */
export function boundOf({ counts }: Distribution, bounds: readonly number[], share: number): number | null {
  const all = counts.reduce((total, count) => total + count, 0);
  if (all === 0) return null;
  let rest = share * all;
  const at = counts.findIndex((count) => {
    rest -= count;
    return rest <= 0;
  });
  return bounds[at] ?? bounds.at(-1)!;
}
