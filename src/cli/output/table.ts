import stringWidth from "string-width";
import type { Column } from "../../actions/list.ts";
import { UTC, type Zone } from "../../actions/parse-time.ts";
import { cutUrl, leastOfUrl, pad } from "./cells.ts";
import { harmless } from "./terminal-text.ts";
import { inZone, momentOf, showAge, showTime } from "./times.ts";
import { wrap } from "./wrap.ts";

export type TableStyle = {
  /** Cells of the terminal; Infinity without one: then nothing is cut, and no age is added. */
  columns: number;
  /** Titles are bold, and states that need action have a colour. */
  bold?: boolean;
  /** The time that values are relative to. */
  now?: number;
  /** UTC unless given. */
  zone?: Zone;
};

const GAP = "  ";

/** Cells before what stands below a row. */
const INDENT = 4;

const NARROWEST = 8;

/** What the provider, an app or an operator has made up: never read as a time. */
const AS_IT_CAME = new Set(
  "ID VIDEO CONTEXT TITLE ERROR ANSWER REASON id videoId context title key lastError error answer reason".split(" "),
);
/** Lines of text, one per row below a line of titles; as wide as the terminal at most. Control characters are escaped. */
export function renderTable<Row>(columns: Column<Row>[], rows: Row[], style: TableStyle): string {
  return createTable(columns, style).render(rows);
}

/** How a table is laid out: which columns, how wide, how its times are written, and which columns stand below each row. */
type Layout<Row> = { columns: Column<Row>[]; widths: number[]; times: TimeForm; below: Column<Row>[] };

/** With an age beside it; alone; without the year. */
type TimeForm = "aged" | "full" | "short";

/**
 * A table that is rendered in blocks of rows. The first block decides its layout: on a terminal a wider cell of a later block
 * is cut, unless its column is `whole`; elsewhere it is longer than its column.
 *
 * Where the terminal is too narrow for all, ages go first, columns without a value, and the year of times; the columns that
 * are `below` move below their row. Then cells are cut, and the columns that are `spare` go.
 */
export function createTable<Row>(columns: Column<Row>[], style: TableStyle) {
  const isTerminal = style.columns !== Number.POSITIVE_INFINITY;
  const zone = style.zone ?? UTC;
  const now = style.now ?? 0;
  let layout: Layout<Row> | null = null;
  let leftOut: string[] = [];

  function textOf({ title, value }: Column<Row>, row: Row, times: TimeForm): string {
    const text = String(value(row, now) ?? "-");
    const moment = AS_IT_CAME.has(title) ? null : momentOf(text);
    if (moment === null) return harmless(text);
    const time = showTime(moment, zone, { isShort: times === "short" });
    return times === "aged" ? `${time} ${showAge(moment, now)}` : time;
  }

  /** The columns at these widths, or null where they do not fit; `least`: cells may be cut. */
  function tryOut(kept: Column<Row>[], rows: Row[], times: TimeForm, canCut: boolean): Layout<Row> | null {
    const cells = kept.map((column) => [column.title, ...rows.map((row) => textOf(column, row, times))]);
    const widths = cells.map((texts) => Math.max(...texts.map((text) => stringWidth(text))));
    const least = kept.map(({ whole, least = NARROWEST }, at) =>
      whole || !canCut ? widths[at]! : Math.min(widths[at]!, Math.max(least, ...cells[at]!.map(leastOfUrl))),
    );
    const fitted = fit(widths, least, style.columns);
    return fitted && { columns: kept, widths: fitted, times, below: [] };
  }

  function layOut(rows: Row[]): Layout<Row> {
    if (!isTerminal) return tryOut(columns, rows, "full", false)!;
    const withValue = columns.filter((column) => rows.some((row) => textOf(column, row, "full") !== "-"));
    const beside = withValue.filter((column) => !column.below);
    const hasBelow = beside.length < withValue.length;
    const tries: [Column<Row>[], TimeForm, boolean][] = [
      [columns, "aged", false],
      [columns, "full", !hasBelow],
      [withValue, "full", !hasBelow],
      [withValue, "short", !hasBelow],
      [beside, "full", true],
      [beside, "short", true],
    ];
    const spare = beside.filter((column) => column.spare !== undefined).sort((a, b) => b.spare! - a.spare!);
    for (const at of spare.keys()) {
      const gone = new Set(spare.slice(0, at + 1));
      tries.push([beside.filter((column) => !gone.has(column)), "short", true]);
    }
    for (const [kept, times, canCut] of tries) {
      const found = tryOut(kept, rows, times, canCut);
      if (found === null) continue;
      leftOut = withValue.filter((column) => !kept.includes(column) && !column.below).map(({ title }) => title);
      return { ...found, below: columns.filter((column) => column.below) };
    }
    // Too narrow for the columns that are never cut: lines are wider than the terminal, and still one below the other.
    const [kept, times] = tries.at(-1)!;
    const widths = kept.map((column) => {
      const { title, whole, least = NARROWEST } = column;
      const wanted = whole ? rows.map((row) => stringWidth(textOf(column, row, times))) : [least];
      return Math.max(stringWidth(title), ...wanted);
    });
    return { columns: kept, times, widths, below: columns.filter((column) => column.below) };
  }

  function line(texts: string[], { columns, widths }: Layout<Row>): string {
    return columns
      .map(({ title, whole }, at) => {
        const text = whole || !isTerminal ? texts[at]! : cutUrl(texts[at]!, widths[at]!);
        const color = style.bold && title === "STATE" ? COLORS[text] : undefined;
        return color === undefined ? pad(text, widths[at]!) : color + pad(text, widths[at]!) + PLAIN;
      })
      .join(GAP)
      .trimEnd();
  }

  /** The values that have no room in their row, each whole and on lines of its own. An address is never broken. */
  function linesBelow(row: Row, { columns: kept, widths, times, below }: Layout<Row>): string[] {
    if (!isTerminal) return [];
    return below.flatMap((column) => {
      const text = textOf(column, row, times);
      const width = widths[kept.indexOf(column)] ?? 0;
      if (text === "-" || stringWidth(text) <= width) return [];
      return wrap(`${column.title.toLowerCase()}: ${text}`, { width: style.columns, indent: INDENT });
    });
  }

  return {
    /** The lines of these rows, below the titles where they are the first. */
    render(rows: Row[]): string {
      const isFirst = layout === null;
      layout ??= layOut(rows);
      const used = layout;
      const lines = rows.flatMap((row) => [
        line(
          used.columns.map((column) => textOf(column, row, used.times)),
          used,
        ),
        ...linesBelow(row, used),
      ]);
      const titles = line(
        used.columns.map(({ title }) => title),
        used,
      );
      const head = !isFirst ? [] : [style.bold ? `\x1b[1m${titles}${PLAIN}` : titles];
      return [...head, ...lines].map((text) => `${text}\n`).join("");
    },

    /** Titles of the columns with values that there was no room for. */
    leftOut: (): string[] => leftOut,
  };
}

const PLAIN = "\x1b[0m";
const [RED, YELLOW] = ["\x1b[31m", "\x1b[33m"];

/** States that need action, and those that hold something up. */
const COLORS: Record<string, string> = {
  dead: RED,
  failed: RED,
  expired: RED,
  failing: YELLOW,
  paused: YELLOW,
  removed: YELLOW,
};

/** Lines of "name  value". Nothing is cut. */
export function renderFields(fields: [string, unknown][], style: TableStyle = { columns: Infinity }): string {
  const { zone = UTC, now = 0 } = style;
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  const show = (name: string, value: unknown): string => {
    const text = String(value ?? "-");
    if (AS_IT_CAME.has(name)) return text;
    const moment = momentOf(text);
    if (moment === null) return inZone(text, zone);
    const age = style.columns === Number.POSITIVE_INFINITY ? "" : ` ${showAge(moment, now)}`;
    return showTime(moment, zone) + age;
  };
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${harmless(show(name, value))}\n`).join("");
}

/**
 * Takes from the widest columns, one cell at a time but no more than to `least`, until all fit into `room`; null: they do not.
 */
function fit(wanted: number[], least: number[], room: number): number[] | null {
  const widths = [...wanted];
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  for (let excess = total - room; excess > 0; excess--) {
    let widest = -1;
    for (const [at, width] of widths.entries()) {
      if (width > least[at]! && (widest < 0 || width > widths[widest]!)) widest = at;
    }
    if (widest < 0) return null;
    widths[widest]!--;
  }
  return widths;
}
