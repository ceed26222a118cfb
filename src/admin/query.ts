import * as v from "valibot";
import { checkFilters } from "../actions/filters/check.ts";
import type { Filter, Filters, List, Selection, Sources } from "../actions/list.ts";
import { type ListPage, readListPage } from "../actions/paging/list-page.ts";
import { checkRange, parseTime, TIME_FORMS } from "../actions/parse-time.ts";
import { type ErrorCode, RelayError } from "../errors.ts";
import { misfit } from "./check.ts";
import type { Asked, Place, Schema } from "./operation.ts";

// The parameters of lists, made from their declarations: a new filter of a list is one of the API by itself.

/** Characters of a filter's value. */
export const LONGEST = 4_096;

const CODE = "invalid_query";

/** Rows of a page, unless asked otherwise, and at most. */
export const LIMIT = 50;
const MOST = 500;

const word = (text: string) =>
  v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(LONGEST), v.description(text)));

/** "true" or "false". */
export const flag = (text: string) =>
  v.optional(
    v.pipe(
      v.picklist(["true", "false"]),
      v.transform((given) => given === "true"),
      v.boolean(),
      v.description(text),
    ),
  );

/** A whole number within bounds. */
export const number = (least: number, most: number, text: string) => {
  const words = `must be a number from ${least} to ${most}`;
  return v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,6}$/, words),
      v.transform(Number),
      v.number(),
      v.integer(),
      v.minValue(least, words),
      v.maxValue(most, words),
      v.description(text),
    ),
  );
};

/** Some of these words, with commas between them. */
export const some = (words: readonly string[]) => {
  const one = `(?:${words.join("|")})`;
  return v.pipe(v.string(), v.regex(new RegExp(`^${one}(?:,${one})*$`), `must be some of ${words.join(", ")}`));
};

function schemaOf({ words, isFlag, isMany, help }: Filter): Schema {
  if (isFlag) return flag(help);
  if (isMany && words) return v.optional(v.pipe(some(words), v.description(help)));
  return words === undefined ? word(help) : v.optional(v.pipe(v.picklist([...words]), v.description(help)));
}

export const filterEntries = (filters: Filters) =>
  Object.fromEntries(Object.entries(filters).map(([name, filter]) => [name, schemaOf(filter)]));

export const rangeEntries = {
  since: word(`From this time on: ${TIME_FORMS}. UTC unless it names a zone`),
  until: word("Before this time, written in the same ways"),
};

const pageEntries = {
  limit: number(1, MOST, `At most so many rows (default ${LIMIT})`),
  before: word("The `next` of the page before; only with the same filters"),
};

/** Filters and times, as a client writes them. */
export type Given = Record<string, string | number | boolean | undefined>;
type PageQuery = Given & { limit?: number; before?: string; total?: boolean };

const totalEntries = {
  total: flag(
    "How many rows the list has, as `total`: at most 10,000 are counted of one that is narrowed down, of events by title 1,000",
  ),
};

/** The parameters of a list that is read in pages, and `more`. `total`: it can be long, and says how long it is. */
export const listQuery = (
  { filters, total }: Pick<List<Filters, unknown>, "filters" | "total">,
  more: v.ObjectEntries = {},
): Schema<PageQuery> =>
  v.strictObject({
    ...{ ...filterEntries(filters), ...rangeEntries, ...pageEntries, ...(total && totalEntries) },
    ...more,
  }) as Schema<PageQuery>;

/** The page of a list that a query asks for. */
export async function listPage<Of extends Filters, Row>(
  list: List<Of, Row>,
  { query }: Pick<Asked<PageQuery, unknown>, "query">,
  place: Place,
): Promise<ListPage<Row>> {
  const { limit = LIMIT, before, total, ...written } = query;
  const filters = await readSelection<Of>(written, place);
  return readListPage(list, place, filters, { limit, before, total, written });
}

/** Filters and times of a request as the actions take them. Misfit for a time, an endpoint or a type that is none. */
export async function readSelection<Of extends Filters>(
  { since, until, failedSince, ...filters }: Given,
  place: Sources & Pick<Place, "ports">,
): Promise<Selection<Of>> {
  await checkWords(place, filters, CODE);
  return {
    ...filters,
    ...timesOf({ since, until, failedSince }, place.ports.clock.now(), CODE),
  } as unknown as Selection<Of>;
}

/** Misfit for an endpoint, a type or a part of a title that nothing stored can be of. */
export async function checkWords(
  place: Sources,
  { endpoint, type, q }: { endpoint?: unknown; type?: unknown; q?: unknown },
  code: ErrorCode,
): Promise<void> {
  for (const [path, value] of Object.entries({ endpoint, type, q })) {
    if (typeof value !== "string") continue;
    await checkFilters(place, { [path]: value }).catch((error) => {
      if (!(error instanceof RelayError) || !["not_found", "usage"].includes(error.code)) throw error;
      throw misfit(code, path, error.message);
    });
  }
}

type Times<Of> = { since?: Of; until?: Of; failedSince?: Of };

/** The moments that members mean; Misfit for what is no time, and for a range in which nothing lies. */
export function timesOf({ since, until, failedSince }: Times<unknown>, now: number, code: ErrorCode) {
  const failed = timeOf("failedSince", failedSince, now, code);
  const times = {
    ...{ since: timeOf("since", since, now, code), until: timeOf("until", until, now, code) },
    ...(failed !== undefined && { failedSince: failed }),
  };
  fitting(code, "until", () => checkRange(times));
  return times;
}

function timeOf(path: string, text: unknown, now: number, code: ErrorCode): number | undefined {
  return typeof text === "string" ? fitting(code, path, () => parseTime(text, now)) : undefined;
}

function fitting<T>(code: ErrorCode, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof RelayError ? misfit(code, path, error.message) : error;
  }
}
