/** What one side did in each round. All lists are as long as there were rounds; null where it could not be told. */
export type Side = {
  /** The figure itself, in the row's unit. */
  values: number[];
  /** Milliseconds. */
  p50?: number[];
  p99?: number[];
  /** Peak resident memory, in bytes. */
  memory?: (number | null)[];
  /** Processor time for each event, in microseconds: what is left to compare when others use the machine, too. */
  cpu?: number[];
};

/** A bound on the ratio of ours to the baseline, or on our own figure. */
export type Wanted = { of: "ratio" | "ours"; atLeast: number } | { of: "ratio" | "ours"; atMost: number };

/** One line of the table. */
export type Row = {
  figure: string;
  unit: string;
  baseline: Side | null;
  ours: Side | null;
  /** Null for what is only reported. */
  wanted: Wanted | null;
  /** What a reader must know, and why a figure was left out. */
  note?: string;
};

/** The middle one; of an even number the mean of the two in the middle. NaN of none. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that this part (0 to 1) of all are not above. */
export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * part) - 1))] ?? Number.NaN;
}

/** The median of each round's own ratio: a round's two sides shared the same neighbours. Null where one side is missing. */
export function ratioOf({ baseline, ours }: Pick<Row, "baseline" | "ours">): number | null {
  if (!baseline || !ours) return null;
  const ratios = ours.values.flatMap((value, round) => {
    const against = baseline.values[round];
    return against === undefined || against === 0 ? [] : [value / against];
  });
  return ratios.length === 0 ? null : median(ratios);
}

/** Whether a row has what is wanted of it; null where nothing is, or where it was not measured. */
export function isReached(row: Row): boolean | null {
  const { wanted, ours } = row;
  const value = wanted?.of === "ratio" ? ratioOf(row) : ours && median(ours.values);
  if (wanted === null || value === null) return null;
  return "atLeast" in wanted ? value >= wanted.atLeast : value <= wanted.atMost;
}

/** The row about the 99th percentile of a row's own rounds. */
export function tailRow(row: Row, atMost: number | null): Row {
  const tail = (side: Side | null) => side && { values: side.p99 ?? [] };
  return {
    figure: `${row.figure}, p99`,
    unit: "ms",
    baseline: tail(row.baseline),
    ours: tail(row.ours),
    wanted: atMost === null ? null : { of: "ratio", atMost },
  };
}
