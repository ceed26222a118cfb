import stringWidth from "string-width";
import type { Column } from "../../actions/list.ts";
import { harmless } from "./terminal-text.ts";

export type TableStyle = {
  /** Cells of the terminal; Infinity without one: then nothing is cut. */
  columns: number;
  bold?: boolean;
  /** The time that values are relative to. */
  now?: number;
};

const GAP = "  ";

const NARROWEST = 8;

/** Lines of text, one per row below a line of titles; as wide as the terminal at most. Control characters are escaped. */
export function renderTable<Row>(columns: Column<Row>[], rows: Row[], style: TableStyle): string {
  return createTable(columns, style).render(rows);
}

/**
 * A table that is rendered in blocks of rows. The first block decides how wide the columns are: on a terminal a wider cell of
 * a later block is cut, unless its column is `whole`; elsewhere it is longer than its column.
 */
export function createTable<Row>(columns: Column<Row>[], style: TableStyle) {
  let widths: number[] | null = null;
  const isCut = columns.map(({ whole }) => !whole && style.columns !== Number.POSITIVE_INFINITY);
  const line = (texts: string[]) =>
    texts
      .map((text, at) => pad(isCut[at] ? cut(text, widths![at]!) : text, widths![at]!))
      .join(GAP)
      .trimEnd();

  return {
    /** The lines of these rows, below the titles where they are the first. */
    render(rows: Row[]): string {
      const cells = rows.map((row) => columns.map(({ value }) => harmless(String(value(row, style.now ?? 0) ?? "-"))));
      const isFirst = widths === null;
      widths ??= fit(
        columns.map(({ title, whole, least = NARROWEST }, at) => ({
          width: Math.max(stringWidth(title), ...cells.map((row) => stringWidth(row[at]!))),
          least: whole ? Number.POSITIVE_INFINITY : least,
        })),
        style.columns,
      );
      const titles = isFirst ? [line(columns.map(({ title }) => title))] : [];
      return [...titles.map((text) => (style.bold ? `\x1b[1m${text}\x1b[0m` : text)), ...cells.map(line)]
        .map((text) => `${text}\n`)
        .join("");
    },
  };
}

/** Lines of "name  value". Nothing is cut. */
export function renderFields(fields: [string, unknown][]): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${harmless(String(value ?? "-"))}\n`).join("");
}

/** Takes from the widest columns that may be cut, one cell at a time, until all fit. */
function fit(columns: { width: number; least: number }[], room: number): number[] {
  const widths = columns.map(({ width }) => width);
  if (room === Number.POSITIVE_INFINITY) return widths;
  const total = () => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  for (let excess = total() - room; excess > 0; excess--) {
    let widest = -1;
    for (const [at, { least }] of columns.entries()) {
      if (widths[at]! > least && (widest < 0 || widths[at]! > widths[widest]!)) widest = at;
    }
    if (widest < 0) break;
    widths[widest]!--;
  }
  return widths;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The beginning of a text that is `width` cells wide at most, with "…" where something is left out. */
function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let short = "";
  let used = 1;
  for (const { segment } of graphemes.segment(text)) {
    used += stringWidth(segment);
    if (used > width) break;
    short += segment;
  }
  return `${short}…`;
}
