import { open, readFile, rename } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { deliveries, wishOf } from "../actions/deliveries.ts";
import { events } from "../actions/events.ts";
import { type FollowFrom, followFeed } from "../actions/feed/follow.ts";
import { checkFilters } from "../actions/filters/check.ts";
import type { Filters } from "../actions/list.ts";
import { followDeliveries } from "../actions/outcome/follow-deliveries.ts";
import { codeOf, errorLine, RelayError } from "../errors.ts";
import { syncFolder } from "../platform/files/file-system.ts";
import type { Args, Options } from "./args.ts";
import { optionOf, readFilters, readRange } from "./options.ts";
import { printJson, styleOf } from "./output/print.ts";
import { createTable } from "./output/table.ts";
import { abortWhenStopped, type Program } from "./program.ts";
import { openSources } from "./sources.ts";

/** Events that are shown of before, unless asked otherwise: as many as `tail` shows lines. */
const LAST = 10;

export const followOptions = {
  follow: { type: "boolean", short: "f", help: "go on with what comes, the oldest first, until Ctrl-C" },
  "cursor-file": {
    type: "string",
    value: "FILE",
    help: "with --follow: go on where this file says, which is kept up to date; where it is missing it is made, and the oldest event is the first, unless --since says otherwise, or --limit how many of before (0: none)",
  },
} satisfies Options;

/** What goes with `--follow`, among the options of the list. */
const FITS = new Set(["type", "videoId", "context"]);

/** `events list --follow`: the feed, in a shell. Ends with the reader of its output, and at SIGINT or SIGTERM. */
export async function follow(program: Program, args: Args): Promise<void> {
  const { stdout, ports } = program;
  const filters = readFilters(args, events.filters, program);
  const { since, until } = readRange(args, program);
  const wrong = Object.entries({ ...filters, before: args.text("before"), until }).filter(
    ([name, value]) => value !== undefined && !FITS.has(name),
  );
  if (wrong.length > 0) {
    const name = nameOfOption(wrong[0]![0]);
    throw new RelayError("usage", `--follow goes with --type, --video-id and --context, not with --${name}`);
  }
  if (since !== undefined && args.text("limit") !== undefined)
    throw new RelayError("usage", "--follow begins at --since, or --limit events back: name one of them");
  const file = args.text("cursor-file");
  const path = file === undefined ? null : resolve(program.cwd, file);
  const { store } = await openSources(program, { toRead: true });
  const from = await beginning();
  const { type, videoId, context } = filters;
  const table = createTable(events.columns, styleOf(program));
  const signal = abortWhenStopped(program);
  for await (const page of followFeed(store, { type, videoId, context }, from, { clock: ports.clock, signal })) {
    if (args.flag("json")) for (const event of page.events) printJson(stdout, event);
    else if (page.events.length > 0) stdout.write(table.render(page.events));
    if (!(await stdout.drained())) return;
    if (path !== null) await writeCursorFile(path, page.cursor);
  }

  async function beginning(): Promise<FollowFrom> {
    const cursor = path === null ? null : await readCursorFile(path);
    if (cursor !== null) return { cursor };
    if (since !== undefined) return { since };
    if (path !== null && args.text("limit") === undefined) return { cursor: "" };
    return { last: args.count("limit", LAST, 0) };
  }
}

/** `deliveries list --follow`. Ends as `events list --follow` does. */
export async function followDeliveryList(program: Program, args: Args): Promise<void> {
  const { stdout, ports } = program;
  const { type, ...filters } = readFilters(args, deliveries.filters, program);
  const wrong = ["since", "until", "before", "count", "failed-since"].find((name) => args.texts(name).length > 0);
  if (wrong !== undefined) throw new RelayError("usage", `--follow goes on from now: not with --${wrong}`);
  const sources = await openSources(program, { toRead: true });
  await checkFilters(sources, { endpoint: filters.endpoint, type });
  const table = createTable(deliveries.columns, styleOf(program));
  const how = { clock: ports.clock, signal: abortWhenStopped(program) };
  const { type: _, ...filter } = { ...filters, ...wishOf({ type, state: filters.state }) };
  for await (const rows of followDeliveries(sources.store, filter, args.count("limit", LAST, 0), how)) {
    if (args.flag("json")) for (const row of rows) printJson(stdout, row);
    else if (rows.length > 0) stdout.write(table.render(rows));
    if (!(await stdout.drained())) return;
  }
}

const nameOfOption = (filter: string) => optionOf(filter, (events.filters as Filters)[filter] ?? {});

/** Null where the file is missing. */
async function readCursorFile(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new RelayError("usage", `cannot read ${path}: ${errorLine(error)}`);
  }
}

/** The file holds the old cursor or the new one, also after a power cut. */
async function writeCursorFile(path: string, cursor: string): Promise<void> {
  const temp = `${path}.tmp`;
  const file = await open(temp, "w", 0o600);
  try {
    await file.writeFile(`${cursor}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temp, path);
  await syncFolder(dirname(path));
}
