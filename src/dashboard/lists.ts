import type { Filters, List } from "../actions/list.ts";
import { check, Misfit } from "../admin/check.ts";
import { listPage, listQuery } from "../admin/query.ts";
import { RelayError } from "../errors.ts";
import type { CappedCount } from "../store/filters.ts";
import type { Visit } from "./page.ts";
import type { Query } from "./parts/links.ts";

/** Rows of a page: with them it stays below 15 kB, with its sheet and script. */
const SHOWN = 35;

/** What may be wrong with what a person typed, or with an old bookmark. */
const WRONG = ["invalid_query", "cursor_expired", "usage", "not_found"];

type ReadOptions = { limit?: number; fixed?: Record<string, string>; isCounted?: boolean };

type ReadList<Row> = {
  rows: Row[];
  next: string | null;
  total: CappedCount | null;
  given: Record<string, string>;
  problem: string | null;
};

/**
 * A page of a list as the address asks for it: its filters, `since`, `until`, `before`, in the words of the API. `given`: what
 * of it stood there, for the form and the links to further pages. `problem`: what is wrong with it; then there are no rows.
 * `fixed`: filters of the page itself. `total`: how many rows there are, where `isCounted` asks for it; else null.
 */
export async function readList<Of extends Filters, Row>(
  list: List<Of, Row>,
  visit: Pick<Visit, "place" | "query">,
  { limit = SHOWN, fixed = {}, isCounted = false }: ReadOptions = {},
): Promise<ReadList<Row>> {
  const names = [...Object.keys(list.filters), "since", "until", "before"];
  const given = Object.fromEntries(Object.entries(visit.query).filter(([name]) => names.includes(name)));
  try {
    const query = { ...check(listQuery(list), { ...given, ...fixed }, "invalid_query"), limit };
    const { data, next, total = null } = await listPage(list, { query: { ...query, total: isCounted } }, visit.place);
    return { rows: data, next, total, given, problem: null };
  } catch (error) {
    if (!(error instanceof RelayError) || !WRONG.includes(error.code)) throw error;
    return { rows: [], next: null, total: null, given, problem: problemOf(error, list.filters, given) };
  }
}

/** In few words: what could stand there is on the page, to choose from, and may be a long list. */
function problemOf(error: RelayError, filters: Filters, given: Record<string, string>): string {
  const [{ path } = { path: "" }] = error instanceof Misfit ? error.details : [];
  if (filters[path]?.words === undefined) return error.message;
  return `${path}: "${given[path]}" is none of what can be chosen here`;
}

/** Whether an address narrows a list down. */
export function isFiltered({ before: _, ...filters }: Query): boolean {
  return Object.values(filters).some((value) => value !== undefined && value !== "");
}
