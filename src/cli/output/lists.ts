import { parseWhen } from "../../actions/times.ts";
import type { Ports } from "../../ports.ts";
import type { Page } from "../../store/store.ts";
import { type Args, type Context, configOption, jsonOption, type Option } from "../command.ts";
import { type Column, createTable } from "./table.ts";
import { harmlessJson } from "./terminal-text.ts";

/** Which rows, for lists and for what is done to many. */
export const rangeOptions = {
  since: { type: "string", value: "TIME", help: "from this time on: 2026-01-31T08:00Z, or how long ago: 2h, 7d" },
  until: { type: "string", value: "TIME", help: "before this time, written in the same ways" },
} satisfies Record<string, Option>;

export const limitOption = {
  type: "string",
  short: "n",
  value: "N",
  help: "at most this many, newest first (default 50)",
} satisfies Option;

/** What is shown with one thing is limited too. */
export const shownOption = {
  limit: { ...limitOption, help: "of each of its lists at most this many, the newest (default 50)" },
} satisfies Record<string, Option>;

/** What every list of things that came at a time takes. */
export const listOptions = {
  limit: limitOption,
  ...rangeOptions,
  before: { type: "string", value: "ID", help: "go on after this row of an earlier list" },
  ...jsonOption,
  ...configOption,
} satisfies Record<string, Option>;

export function readRange(args: Args, { clock }: Ports): { since?: number; until?: number } {
  const now = clock.now();
  const moment = (option: string) => {
    const text = args.text(option);
    return text === undefined ? undefined : parseWhen(text, now);
  };
  return { since: moment("since"), until: moment("until") };
}

export function readLimit(args: Args): number {
  return args.count("limit", 50);
}

/** On stderr, so that output which is data stays that. */
export function sayMore({ stderr }: Context, args: Args, what: string, otherwise = ""): void {
  stderr.write(`wochit-relay: there are more ${what}: --limit ${readLimit(args) * 10} shows more${otherwise}\n`);
}

export function readPage(args: Args, ports: Ports): Page {
  return { limit: readLimit(args), before: args.text("before"), ...readRange(args, ports) };
}

/** Rows of a table that are held at once, and decide how wide its columns are. */
const BLOCK = 1_000;

/**
 * Rows as a table, or with `--json` as one object a line, each as soon as it is there. A slow reader is waited for between
 * the rows, so that however many there are, few are held; one that has gone ends the list.
 */
export async function printList<Row>(
  { stdout, stderr, env }: Context,
  args: Args,
  rows: AsyncIterable<Row> | Iterable<Row>,
  columns: Column<Row>[],
): Promise<void> {
  if (args.flag("json")) {
    for await (const row of rows) {
      printJson(stdout, row);
      if (!(await stdout.drained())) return;
    }
    return;
  }
  const table = createTable(columns, { columns: stdout.columns, bold: stdout.isTTY && !env.NO_COLOR });
  let block: Row[] = [];
  let isEmpty = true;
  for await (const row of rows) {
    isEmpty = false;
    if (block.push(row) < BLOCK) continue;
    stdout.write(table.render(block));
    block = [];
    if (!(await stdout.drained())) return;
  }
  if (isEmpty && stdout.isTTY) stderr.write("nothing found\n");
  else if (isEmpty || block.length > 0) stdout.write(table.render(block));
}

export function printJson(stdout: Context["stdout"], value: unknown): void {
  stdout.write(`${harmlessJson(value)}\n`);
}

/**
 * Tells what became of each of many: with `--json` an object a line, else a line of its own for what failed, and a count
 * at the end. The exit code is 1 when something failed. A reader that has gone ends nothing: all that is meant is done.
 */
export async function printMany<Row>(
  { stdout, stderr }: Context,
  args: Args,
  rows: AsyncIterable<Row>,
  words: { done: string; describe(row: Row): string; error(row: Row): string | null },
): Promise<number> {
  let done = 0;
  let failed = 0;
  for await (const row of rows) {
    const error = words.error(row);
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
