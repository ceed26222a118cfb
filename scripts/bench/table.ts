import { isReached, median, type Row, ratioOf, type Side } from "./measure.ts";

const HEAD = [
  "figure",
  "baseline",
  "ours",
  "ratio",
  "wanted",
  "",
  "p50 ms",
  "p99 ms",
  "CPU µs each",
  "RSS MB",
  "rounds",
];

/** The rows as one table of text, a footnote for each note below it. */
export function showTable(rows: Row[]): string {
  const notes: string[] = [];
  const lines = rows.map((row) => {
    const { note } = row;
    if (note !== undefined && !notes.includes(note)) notes.push(note);
    const mark = note === undefined ? "" : ` [${notes.indexOf(note) + 1}]`;
    return [`${row.figure}${mark}`, ...cells(row)];
  });
  const widths = HEAD.map((head, column) => Math.max(head.length, ...lines.map((line) => line[column]!.length)));
  const show = (line: string[]) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  return [
    show(HEAD),
    widths.map((width) => "─".repeat(width)).join("  "),
    ...lines.map(show),
    "",
    "Medians over the rounds; ratio: the median of the rounds' own ratios, ours to the baseline's. Two values: baseline / ours.",
    ...notes.map((note, at) => `[${at + 1}] ${note}`),
  ].join("\n");
}

/** One JSON object a line, every round's values in it. */
export function showJson(rows: Row[]): string {
  return rows.map((row) => JSON.stringify({ ...row, ratio: ratioOf(row), reached: isReached(row) })).join("\n");
}

function cells(row: Row): string[] {
  const { baseline, ours, unit, wanted } = row;
  const ratio = ratioOf(row);
  const reached = isReached(row);
  const rounds = Math.max(baseline?.values.length ?? 0, ours?.values.length ?? 0);
  return [
    baseline ? `${number(median(baseline.values))} ${unit}` : "–",
    ours ? `${number(median(ours.values))} ${unit}` : "–",
    ratio === null ? "–" : ratio.toFixed(2),
    wanted === null
      ? "–"
      : `${"atLeast" in wanted ? `≥ ${wanted.atLeast}` : `≤ ${wanted.atMost}`}${wanted.of === "ours" ? ` ${unit}` : "×"}`,
    reached === null ? "" : reached ? "yes" : "MISSED",
    pair(baseline, ours, (side) => side.p50),
    pair(baseline, ours, (side) => side.p99),
    pair(baseline, ours, (side) => side.cpu),
    pair(baseline, ours, (side) => side.memory?.flatMap((bytes) => (bytes === null ? [] : [bytes / 1e6]))),
    rounds === 0 ? "–" : String(rounds),
  ];
}

function pair(baseline: Side | null, ours: Side | null, pick: (side: Side) => number[] | undefined): string {
  const [first, second] = [baseline, ours].map((side) => {
    const values = side && pick(side);
    return values && values.length > 0 ? number(median(values)) : "–";
  });
  return first === "–" && second === "–" ? "–" : `${first} / ${second}`;
}

/** Three digits that matter; thousands whole. */
function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
