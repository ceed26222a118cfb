import type { Filter, Filters, FilterValues } from "../actions/list.ts";
import { checkRange, parseTime, TIME_FORMS } from "../actions/parse-time.ts";
import { parseSize } from "../config/units.ts";
import { RelayError } from "../errors.ts";
import type { Page } from "../store/store.ts";
import type { Args, Option, Options } from "./args.ts";
import { configOption, jsonOption } from "./command.ts";
import { inZone } from "./output/times.ts";
import type { Program } from "./program.ts";

/** Times that bound lists, and what is done to many. */
export const rangeOptions = {
  since: { type: "string", value: "TIME", help: `from this time on: ${TIME_FORMS}` },
  until: {
    type: "string",
    value: "TIME",
    help: "before this time, written in the same ways; without a zone it is local (--utc: UTC)",
  },
} satisfies Options;

/** Of a list whose rows can also be asked for by their last attempt the help says what the range is of. */
export const rangeOptionsOf = (filters: Filters): typeof rangeOptions =>
  "failedSince" in filters
    ? { ...rangeOptions, since: { ...rangeOptions.since, help: `made ${rangeOptions.since.help}` } }
    : rangeOptions;

/** What a person may have meant who asked for a range and got nothing; null: nothing else. */
export function otherRange(args: Args, filters: Filters): string | null {
  const isAsked = args.text("since") !== undefined || args.text("until") !== undefined;
  if (!("failedSince" in filters) || !isAsked) return null;
  return "--since and --until are of when a delivery was made, --failed-since of its last attempt";
}

export const limitOption = {
  limit: { type: "string", short: "n", value: "N", help: "at most this many, newest first (default 50)" },
} satisfies Options;

export const beforeOption = {
  before: { type: "string", value: "ID", help: "go on after this row of an earlier list" },
} satisfies Options;

/** Of commands that show times. */
export const utcOption = {
  utc: { type: "boolean", help: "show times in UTC (default: in the local zone)" },
} satisfies Options;

/** What verbs take that are done to many. */
export const manyOptions = {
  "dry-run": { type: "boolean", help: "say how many match, and change nothing" },
  yes: { type: "boolean", short: "y", help: "do not ask first" },
} satisfies Options;

/** What the verbs of every noun take. */
export const commonOptions = { ...utcOption, ...jsonOption, ...configOption };

export const listOptions = { ...limitOption, ...rangeOptions, ...beforeOption, ...commonOptions };

/** For one thing that is shown with lists of others. */
export const showOptions = {
  limit: { ...limitOption.limit, help: "of each of its lists at most this many, the newest (default 50)" },
  ...commonOptions,
} satisfies Options;

/** Filters that have a letter, too. */
const SHORT: Record<string, string> = { endpoint: "e", state: "s" };

/** The filters of a list as options: `videoId` is `--video-id`. */
export function filterOptions(filters: Filters): Options {
  return Object.fromEntries(
    Object.entries(filters).map(([name, filter]) => [optionOf(name, filter), option(name, filter)]),
  );
}

function option(name: string, { isFlag, isMany, words, value, help }: Filter): Option {
  if (isFlag) return { type: "boolean", help };
  const short = SHORT[name];
  return {
    type: "string",
    ...(short !== undefined && { short }),
    ...(words && { words }),
    value: value ?? (words ? name.toUpperCase() : "TEXT"),
    help: words ? `${help}${isMany ? ", with commas" : ""}: ${words.join(", ")}` : help,
  };
}

/** Times are milliseconds since 1970. RelayError("usage") for a value that is none of a filter's. */
export function readFilters<Of extends Filters>(
  args: Args,
  filters: Of,
  { ports, zone }: Pick<Program, "ports" | "zone">,
): FilterValues<Of> {
  const read = (option: string, { isFlag, isTime, isMany, words }: Filter) => {
    if (isFlag) return args.flag(option) || undefined;
    const text = isMany && words ? args.words(option, words) : words ? args.word(option, words) : args.text(option);
    return isTime && text !== undefined ? parseTime(text, ports.clock.now(), zone) : text;
  };
  return Object.fromEntries(
    Object.entries(filters).map(([name, filter]) => [name, read(optionOf(name, filter), filter)]),
  ) as FilterValues<Of>;
}

export function optionOf(name: string, { option }: Pick<Filter, "option">): string {
  return option ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** RelayError("usage") for what is no time, and for a range in which nothing lies. */
export function readRange(
  args: Args,
  { ports, zone }: Pick<Program, "ports" | "zone">,
): { since?: number; until?: number } {
  const now = ports.clock.now();
  const moment = (option: string) => {
    const text = args.text(option);
    return text === undefined ? undefined : parseTime(text, now, zone);
  };
  const range = { since: moment("since"), until: moment("until") };
  try {
    checkRange(range);
  } catch (error) {
    throw error instanceof RelayError ? new RelayError(error.code, inZone(error.message, zone)) : error;
  }
  return range;
}

/** Bytes a second; null: no limit. */
export function readByteRate(args: Args): number | null {
  const text = args.text("rate");
  if (text === undefined) return null;
  const rate = parseSize(text);
  if (rate === null || rate === 0) throw new RelayError("usage", `--rate must be a size like 50MiB, not "${text}"`);
  return rate;
}

export function readLimit(args: Args): number {
  return args.count("limit", 50);
}

export function readPage(args: Args, program: Pick<Program, "ports" | "zone">): Page {
  return { limit: readLimit(args), before: args.text("before"), ...readRange(args, program) };
}
