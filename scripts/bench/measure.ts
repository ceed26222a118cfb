/** What one side did in each round. All lists are as long as there were rounds; null where it cannot be read. */
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
  /** The same by the names of threads; one object a round. */
  threads?: Record<string, number>[];
};

/** What is measured in turn with ours: another commit, or what a user would build instead. */
export type Beside = {
  name: string;
  side: Side;
  /** Where it is held against one of its own; else the row's counts. */
  baseline?: Side;
};

/**
 * A bound on the ratio of ours to the baseline, on our own figure, or on the ratio of ours to what is measured beside it:
 * the one of that name, or the first.
 */
export type Wanted = { of: "ratio" | "ours" | "beside"; name?: string } & ({ atLeast: number } | { atMost: number });

/** One figure of the table. */
export type Row = {
  figure: string;
  unit: string;
  baseline: Side | null;
  ours: Side | null;
  beside?: Beside[];
  /** Null for what is only reported. */
  wanted: Wanted | null;
  /** What a reader must know, and why a figure was left out. */
  note?: string;
};

/** A median and its 95 % interval; the interval is null where there are too few rounds for one. */
export type Estimate = { median: number; interval: [low: number, high: number] | null };

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

/** Each round's own ratio: the sides of a round shared the same neighbours. */
export function ratiosOf(side: Side, against: Side): number[] {
  return side.values.flatMap((value, round) => {
    const other = against.values[round];
    return other === undefined || other === 0 ? [] : [value / other];
  });
}

/** The median of each round's own ratio, ours to the baseline's. Null where one side is missing. */
export function ratioOf({ baseline, ours }: Pick<Row, "baseline" | "ours">): number | null {
  if (!baseline || !ours) return null;
  const ratios = ratiosOf(ours, baseline);
  return ratios.length === 0 ? null : median(ratios);
}

const RESAMPLES = 4_000;
const LEAST_ROUNDS = 3;

/**
 * The median, and between which bounds 95 % of the medians of resampled rounds lie (the percentile bootstrap). The same
 * values give the same interval.
 */
export function estimate(values: number[]): Estimate {
  if (values.length < LEAST_ROUNDS) return { median: median(values), interval: null };
  const random = createRandom(values.length);
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)]!)),
  );
  return { median: median(values), interval: [quantile(medians, 0.025), quantile(medians, 0.975)] };
}

/** Numbers from 0 to 1 from a seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The rounds' values that a wish is about. Null where they were not measured. */
export function wantedValues({ wanted, baseline, ours, beside = [] }: Row): number[] | null {
  if (wanted === null || ours === null) return null;
  if (wanted.of === "ours") return ours.values;
  if (wanted.of === "ratio") return baseline && ratiosOf(ours, baseline);
  const other = wanted.name === undefined ? beside[0] : beside.find(({ name }) => name === wanted.name);
  return other === undefined ? null : ratiosOf(ours, other.side);
}

/** "missed" only where the whole interval is on the wrong side; "unclear" where the median alone is. */
export type Verdict = "yes" | "unclear" | "missed";

/** Whether a row has what is wanted of it; null where nothing is, or where it was not measured. */
export function judge(row: Row): Verdict | null {
  const values = wantedValues(row);
  if (row.wanted === null || values === null || values.length === 0) return null;
  const { wanted } = row;
  const isReached = (value: number) => ("atLeast" in wanted ? value >= wanted.atLeast : value <= wanted.atMost);
  const { median, interval } = estimate(values);
  if (isReached(median)) return "yes";
  return interval?.some(isReached) ? "unclear" : "missed";
}

/** A row like another, of other values of the same rounds. */
export function derivedRow(row: Row, given: Pick<Row, "figure" | "unit" | "wanted">, pick: (side: Side) => Side): Row {
  return {
    ...given,
    baseline: row.baseline && pick(row.baseline),
    ours: row.ours && pick(row.ours),
    beside: row.beside?.map(({ name, side, baseline }) => ({
      name,
      side: pick(side),
      ...(baseline && { baseline: pick(baseline) }),
    })),
  };
}

/** The row about the 99th percentile of a row's own rounds. */
export function tailRow(row: Row, atMost: number | null): Row {
  const wanted: Wanted | null = atMost === null ? null : { of: "ratio", atMost };
  return derivedRow(row, { figure: `${row.figure}, p99`, unit: "ms", wanted }, ({ p99 }) => ({ values: p99 ?? [] }));
}

/** The row about the peak memory of a row's own rounds. `atMost`: as many times what is measured beside it. */
export function memoryRow(row: Row, atMost: number | null): Row {
  const wanted: Wanted | null = atMost === null ? null : { of: "beside", atMost };
  return derivedRow(row, { figure: `${row.figure}, peak RSS`, unit: "MB", wanted }, ({ memory }) => ({
    values: memory?.flatMap((bytes) => (bytes === null ? [] : [bytes / 1e6])) ?? [],
  }));
}
