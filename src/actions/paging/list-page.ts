import { RelayError } from "../../errors.ts";
import type { CappedCount } from "../../store/filters.ts";
import { type CursorFilters, checkEpoch, readCursor, writeCursor } from "../cursor.ts";
import { collect, type Filters, type List, type Query, type Selection, type Sources } from "../list.ts";

/**
 * A page of a list, as the API gives it. `next`: the cursor of the following one; null: this is the last. `total`: how many rows
 * the list has, where that was asked for.
 */
export type ListPage<Row> = { data: Row[]; next: string | null; total?: CappedCount };

type Asked = { limit: number; before: string | undefined; total?: boolean | undefined; written: CursorFilters };

/**
 * The page of a list that begins at a cursor, or at the newest row. Rows that arrive meanwhile move none of it: it is cut by
 * ids. `written`: the filters as the client wrote them, which the cursor belongs to. RelayError("invalid_query") for a filter
 * that names what is not there, or a cursor that does not fit; "cursor_expired" for one of another epoch.
 */
export async function readListPage<Of extends Filters, Row>(
  list: List<Of, Row>,
  from: Sources,
  filters: Selection<Of>,
  { limit, before, total, written }: Asked,
): Promise<ListPage<Row>> {
  const place = before === undefined ? null : readCursor(before, written);
  const epoch = await from.store.epoch();
  if (place !== null) checkEpoch(place, epoch);
  const query = { ...filters, limit: limit + 1, ...(place && { before: place.position }) } as unknown as Query<Of>;
  const rows = await collect(list.rows(from, query)).catch(asQuery);
  const data = rows.slice(0, limit);
  const last = data.at(-1);
  const isMore = rows.length > limit && last !== undefined;
  const keyOf = list.keyOf ?? ((row: Row) => (row as { id: string }).id);
  return {
    data,
    next: isMore ? writeCursor({ epoch, position: keyOf(last) }, written) : null,
    ...(total && list.total && { total: await list.total(from, filters) }),
  };
}

/** A filter, or a cursor, names what is not there: the request is wrong, and not its path. */
function asQuery(error: unknown): never {
  if (error instanceof RelayError && error.code === "not_found") throw new RelayError("invalid_query", error.message);
  throw error;
}
