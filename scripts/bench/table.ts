import { estimate, judge, median, type Row, ratioOf, ratiosOf, type Side, type Verdict } from "./measure.ts";

const HEAD = [
  "figure",
  "side",
  "value",
  "÷ baseline [95 %]",
  "ours ÷ it [95 %]",
  "wanted",
  "",
  "p50 ms",
  "p99 ms",
  "RSS MB",
  "rounds",
  "CPU µs each",
];

/** Cells that are read as numbers. The others are text, the last one of any length. */
const LEFT = new Set([0, 1, HEAD.length - 1]);

const VERDICTS: Record<Verdict, string> = { yes: "yes", unclear: "unclear", missed: "MISSED" };

const LEGEND = [
  "Medians over the rounds. A ratio is the median of the rounds' own ratios, with its 95 % interval (bootstrap).",
  "wanted: yes: the median has it; unclear: it has not, but part of the interval has; MISSED: the whole interval has not.",
];

/** The rows as one table of text, a line for each side, a footnote for each note below it. */
export function showTable(rows: Row[]): string {
  const notes: string[] = [];
  const lines = rows.flatMap((row) => {
    const { note } = row;
    if (note !== undefined && !notes.includes(note)) notes.push(note);
    const mark = note === undefined ? "" : ` [${notes.indexOf(note) + 1}]`;
    return linesOf(row).map((line, at) => [at === 0 ? `${row.figure}${mark}` : "", ...line]);
  });
  const widths = HEAD.map((head, column) => Math.max(head.length, ...lines.map((line) => line[column]!.length)));
  const show = (line: string[]) =>
    line
      .map((cell, column) => (LEFT.has(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [
    show(HEAD),
    widths.map((width) => "─".repeat(width)).join("  "),
    ...lines.map(show),
    "",
    ...LEGEND,
    ...notes.map((note, at) => `[${at + 1}] ${note}`),
  ].join("\n");
}

/** One JSON object a line, every round's values in it. */
export function showJson(rows: Row[]): string {
  return rows.map((row) => JSON.stringify({ ...row, ratio: ratioOf(row), verdict: judge(row) })).join("\n");
}

function linesOf(row: Row): string[][] {
  const { baseline, ours, beside = [], unit, wanted } = row;
  const wish = wishOf(row);
  const none = ["–", ""];
  const lines: string[][] = [];
  if (baseline) lines.push(cells("baseline", unit, baseline, null, null, none));
  if (ours) lines.push(cells("ours", unit, ours, baseline, null, wanted?.of === "beside" ? none : wish));
  for (const [at, other] of beside.entries()) {
    const against = other.baseline ?? baseline;
    if (other.baseline) lines.push(cells(`${other.name}'s baseline`, unit, other.baseline, null, null, none));
    const isMeant = wanted?.of === "beside" && (wanted.name === undefined ? at === 0 : wanted.name === other.name);
    lines.push(cells(other.name, unit, other.side, against, ours, isMeant ? wish : none));
  }
  return lines.length > 0 ? lines : [["–", "–", "–", "–", ...none, "–", "–", "–", "–", "–"]];
}

function wishOf(row: Row): string[] {
  const { wanted, unit } = row;
  if (wanted === null) return ["–", ""];
  const bound = "atLeast" in wanted ? `≥ ${wanted.atLeast}` : `≤ ${wanted.atMost}`;
  const verdict = judge(row);
  return [`${bound}${wanted.of === "ours" ? ` ${unit}` : "×"}`, verdict === null ? "" : VERDICTS[verdict]];
}

function cells(
  name: string,
  unit: string,
  side: Side,
  baseline: Side | null,
  ours: Side | null,
  wish: string[],
): string[] {
  return [
    name,
    side.values.length === 0 ? "–" : `${number(median(side.values))} ${unit}`,
    baseline === null ? "–" : interval(ratiosOf(side, baseline)),
    ours === null ? "–" : interval(ratiosOf(ours, side)),
    ...wish,
    middle(side.p50),
    middle(side.p99),
    middle(side.memory?.flatMap((bytes) => (bytes === null ? [] : [bytes / 1e6]))),
    side.values.length === 0 ? "–" : String(side.values.length),
    middle(side.cpu) + showThreads(side.threads),
  ];
}

function interval(ratios: number[]): string {
  if (ratios.length === 0) return "–";
  const found = estimate(ratios);
  const bounds = found.interval === null ? "" : ` [${found.interval.map((bound) => bound.toFixed(2)).join("–")}]`;
  return `${found.median.toFixed(2)}${bounds}`;
}

function middle(values: number[] | undefined): string {
  return values === undefined || values.length === 0 ? "–" : number(median(values));
}

/** The threads that used a microsecond or more for each event, those that used most first. */
function showThreads(rounds: Record<string, number>[] = []): string {
  const names = new Set(rounds.flatMap((round) => Object.keys(round)));
  const used = [...names].map((name) => ({ name, median: median(rounds.map((round) => round[name] ?? 0)) }));
  const shown = used.filter(({ median }) => median >= 1).sort((a, b) => b.median - a.median);
  return shown.length < 2 ? "" : ` (${shown.map(({ name, median }) => `${name} ${number(median)}`).join(", ")})`;
}

/** Three digits that matter; thousands whole. */
function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
