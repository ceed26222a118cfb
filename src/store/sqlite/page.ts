import type { Page } from "../store.ts";
import { type Prefix, readId } from "./ids.ts";
import type { Sql } from "./sql.ts";

/** Ids grow with time, 1024 to the millisecond (ids.ts): a time bound on a row's making is a bound on its id. */
const PER_MS = 1024;

/** A limit that is none (sqlite.org/lang_select.html#the_limit_clause). */
export const ALL = -1;

/** A list, newest first unless told otherwise, whose conditions are added one by one. `select` is what stands between SELECT and WHERE. */
export function page<Row>(db: Sql, select: string, id: string, prefix: Prefix, wish: Page, order = `${id} DESC`) {
  const conditions: string[] = ["1"];
  const values: unknown[] = [];
  const where = (condition: string, ...given: unknown[]): void => {
    conditions.push(condition);
    values.push(...given);
  };
  if (wish.before !== undefined) where(`${id} < ?`, readId(prefix, wish.before));
  if (wish.since !== undefined) where(`${id} >= ?`, Math.floor(wish.since) * PER_MS);
  if (wish.until !== undefined) where(`${id} < ?`, Math.floor(wish.until) * PER_MS);
  return {
    where,
    all: (): Row[] =>
      db
        .prepare<unknown[], Row>(`SELECT ${select} WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ?`)
        .all(...values, wish.limit),
  };
}
