import type { Filters, List } from "../actions/list.ts";
import { check } from "../admin/check.ts";
import { listPage, listQuery } from "../admin/query.ts";
import { RelayError } from "../errors.ts";
import type { Visit } from "./page.ts";
import type { Query } from "./parts/links.ts";

/** Rows of a page. */
const SHOWN = 50;

/** What may be wrong with what a person typed, or with an old bookmark. */
const WRONG = ["invalid_query", "cursor_expired", "usage", "not_found"];

/**
 * A page of a list as the address asks for it: its filters, `since`, `until`, `before`, in the words of the API. `given`: what
 * of it stood there, for the form and the links to further pages. `problem`: what is wrong with it; then there are no rows.
 * `fixed`: filters of the page itself.
 */
export async function readList<Of extends Filters, Row>(
  list: List<Of, Row>,
  visit: Pick<Visit, "place" | "query">,
  { limit = SHOWN, fixed = {} }: { limit?: number; fixed?: Record<string, string> } = {},
): Promise<{ rows: Row[]; next: string | null; given: Record<string, string>; problem: string | null }> {
  const names = [...Object.keys(list.filters), "since", "until", "before"];
  const given = Object.fromEntries(Object.entries(visit.query).filter(([name]) => names.includes(name)));
  try {
    const query = { ...check(listQuery(list), { ...given, ...fixed }, "invalid_query"), limit };
    const { data, next } = await listPage(list, { query }, visit.place);
    return { rows: data, next, given, problem: null };
  } catch (error) {
    if (!(error instanceof RelayError) || !WRONG.includes(error.code)) throw error;
    return { rows: [], next: null, given, problem: error.message };
  }
}

/** Whether an address narrows a list down. */
export function isFiltered({ before: _, ...filters }: Query): boolean {
  return Object.values(filters).some((value) => value !== undefined && value !== "");
}
