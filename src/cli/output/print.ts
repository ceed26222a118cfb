import type { Column } from "../../actions/list.ts";
import type { Args } from "../args.ts";
import { commonOptions, limitOption, readLimit } from "../options.ts";
import type { Program } from "../program.ts";
import { createProgress, type Progress } from "./progress.ts";
import { createTable, renderFields, renderTable, type TableStyle } from "./table.ts";
import { harmless, harmlessJson } from "./terminal-text.ts";

/** Rows of a table that are held at once; the first of them decide how wide its columns are. */
const BLOCK = 1_000;

export function printJson(stdout: Program["stdout"], value: unknown): void {
  stdout.write(`${harmlessJson(value)}\n`);
}

/** With `--json` the value as an object on one line, else the text. */
export function print({ stdout }: Program, args: Args, value: unknown, text: string): void {
  if (args.flag("json")) printJson(stdout, value);
  else stdout.write(text);
}

/**
 * Rows as a table, or with `--json` as one object a line, each as soon as it is there. A slow reader is waited for between
 * the rows, so that few are held in memory; the list ends when the reader is gone.
 */
export async function printList<Row>(
  program: Program,
  args: Args,
  rows: AsyncIterable<Row>,
  columns: Column<Row>[],
  words: ListWords = {},
): Promise<void> {
  // Only of what goes into a file.
  const progress = createProgress(program, true);
  await printRows(program, args, counted(rows, progress), columns, words).finally(progress.clear);
}

/** The same rows; how many there were so far is shown. */
async function* counted<Row>(rows: AsyncIterable<Row>, progress: Progress): AsyncGenerator<Row> {
  let count = 0;
  for await (const row of rows) {
    progress.show(`${++count} rows`);
    yield row;
  }
}

async function printRows<Row>(
  program: Program,
  args: Args,
  rows: AsyncIterable<Row>,
  columns: Column<Row>[],
  { empty, otherwise, next }: ListWords,
): Promise<void> {
  const { stdout, stderr } = program;
  if (args.flag("json")) {
    for await (const row of rows) {
      printJson(stdout, row);
      if (!(await stdout.drained())) return;
    }
    return;
  }
  const table = createTable(columns, styleOf(program));
  let block: Row[] = [];
  let isEmpty = true;
  for await (const row of rows) {
    isEmpty = false;
    if (block.push(row) < BLOCK) continue;
    stdout.write(table.render(block));
    block = [];
    if (!(await stdout.drained())) return;
  }
  if (!isEmpty || !stdout.isTTY) stdout.write(isEmpty || block.length > 0 ? table.render(block) : "");
  if (isEmpty && (stdout.isTTY || stderr.isTTY)) stderr.write(`${whyEmpty(args, empty)}\n`);
  if (isEmpty && otherwise) stderr.write(`${otherwise}\n`);
  if (isEmpty) return;
  const leftOut = table.leftOut();
  if (leftOut.length > 0) hint(program, `not shown for want of room: ${leftOut.join(", ")}; --json has all`);
  if (next !== undefined) hint(program, next);
}

/** What a list says beside its rows: why it may be empty, what else may have been meant, and what can be done next. */
export type ListWords = { empty?: string; otherwise?: string | null; next?: string };

/** Options that narrow no list. */
const NOT_FILTERS = { ...commonOptions, ...limitOption };

function whyEmpty(args: Args, empty = "the list is empty"): string {
  const filters = harmless(args.typed(NOT_FILTERS));
  return filters === "" ? empty : `nothing matches ${filters}: without it there may be more`;
}

/** One line on stderr that a person at a terminal may want to read next; elsewhere nothing. */
export function hint({ stdout, stderr, env }: Pick<Program, "stdout" | "stderr" | "env">, text: string): void {
  if (!stdout.isTTY || !stderr.isTTY) return;
  stderr.write(!hasColors({ stdout: stderr, env }) ? `${text}\n` : `\x1b[2m${text}\x1b[0m\n`);
}

/** The columns of the lists that one thing has. */
type Tables<Thing> = { [Name in keyof Thing]?: Thing[Name] extends (infer Row)[] ? Column<Row>[] : never };

/** One thing: its fields, and below them a table for each of its lists; with `--json` one object. */
export function printOne<Thing extends object>(
  program: Program,
  args: Args,
  thing: Thing,
  tables: Tables<Thing> = {},
): void {
  const fields = Object.entries(thing).filter(([name]) => !(name in tables));
  const below = Object.entries<unknown>(tables).map(([name, columns]) =>
    section(program, columns as Column<unknown>[], thing[name as keyof Thing] as unknown[]),
  );
  print(program, args, thing, renderFields(fields, styleOf(program)) + below.join(""));
}

/** A table below the fields of one thing; nothing when there are no rows. */
export function section<Row>(program: Program, columns: Column<Row>[], rows: Row[]): string {
  return rows.length === 0 ? "" : `\n${renderTable(columns, rows, styleOf(program))}`;
}

/** A terminal that takes escapes, and that is not wanted plain. */
export function hasColors({ stdout, env }: Pick<Program, "stdout" | "env">): boolean {
  return stdout.isTTY && !env.NO_COLOR && env.TERM !== "dumb";
}

export function styleOf({ stdout, env, ports, zone }: Program): TableStyle {
  return { columns: stdout.columns, bold: hasColors({ stdout, env }), now: ports.clock.now(), zone };
}

/** On stderr: stdout holds data only. */
export function sayMore({ stderr }: Program, args: Args, what: string, otherwise = ""): void {
  stderr.write(`wochit-relay: there are more ${what}: --limit ${readLimit(args) * 10} shows more${otherwise}\n`);
}

/**
 * Prints what became of each of many: with `--json` an object a line, else a line for each failure, and a count at the end.
 * Resolves with the exit code: 1 when something failed. When the reader is gone the work goes on to its end.
 */
export async function printMany<Row extends object>(
  { stdout, stderr }: Program,
  args: Args,
  rows: AsyncIterable<Row>,
  words: { done: string; describe(row: Row): string },
): Promise<number> {
  let done = 0;
  let failed = 0;
  for await (const row of rows) {
    const error = "error" in row ? (row.error as string | null) : null;
    if (error === null) done++;
    else failed++;
    if (args.flag("json")) printJson(stdout, row);
    else if (error !== null) stderr.write(`${words.describe(row)}: ${error}\n`);
    else if (stdout.isTTY) stderr.write(`\r${done} ${words.done}`);
    await Promise.all([stdout.drained(), stderr.drained()]);
  }
  if (!args.flag("json")) {
    if (stdout.isTTY && done > 0) stderr.write("\r");
    stdout.write(`${done} ${words.done}${failed > 0 ? `, ${failed} not` : ""}\n`);
  }
  return failed > 0 ? 1 : 0;
}
