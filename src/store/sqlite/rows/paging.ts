import type { Page } from "../../store.ts";
import type { Ids, Prefix } from "./ids.ts";
import { PER_MS } from "./numbers.ts";
import type { Sql } from "./sql.ts";

/** A limit that is none (sqlite.org/lang_select.html#the_limit_clause). */
export const ALL = -1;

/** Rows that one statement looks through where no index serves its conditions, at first and at most: tenths of a second. */
const FIRST_WINDOW = 2_000;
const WINDOW = 128_000;

/**
 * A list, newest first unless told otherwise, whose conditions are added one by one. `select` is what stands between SELECT
 * and WHERE. Ids grow with time (numbers.ts): a time bound on a row's making is a bound on its id.
 */
export function page<Row>(
  db: Sql,
  ids: Ids,
  select: string,
  id: string,
  prefix: Prefix,
  wish: Page,
  order = `${id} DESC`,
) {
  const conditions: string[] = ["1"];
  const values: unknown[] = [];
  const where = (condition: string, ...given: unknown[]): void => {
    conditions.push(condition);
    values.push(...given);
  };
  if (wish.before !== undefined) where(`${id} < ?`, ids.read(prefix, wish.before));
  if (wish.since !== undefined) where(`${id} >= ?`, Math.floor(wish.since) * PER_MS);
  if (wish.until !== undefined) where(`${id} < ?`, Math.floor(wish.until) * PER_MS);
  const find = (limit: number): Row[] =>
    db
      .prepare<unknown[], Row>(`SELECT ${select} WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ?`)
      .all(...values, limit);

  return {
    where,
    all: (): Row[] => find(wish.limit),

    /**
     * The same where no index serves the conditions, so that all of the table may have to be looked through: in several
     * statements, because the log (WAL) can take back nothing that came after the beginning of a read that still runs.
     */
    scan(table: string): Row[] {
      const edge = db.prepare<unknown[], { id: number }>(
        `SELECT id FROM ${table} WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?`,
      );
      const lowest = wish.since === undefined ? 0 : Math.floor(wish.since) * PER_MS;
      const rows: Row[] = [];
      where(`${id} < ? AND ${id} >= ?`, 0, 0);
      let high = wish.before === undefined ? Number.MAX_SAFE_INTEGER : ids.read(prefix, wish.before);
      if (wish.until !== undefined) high = Math.min(high, Math.floor(wish.until) * PER_MS);
      for (
        let window = FIRST_WINDOW;
        rows.length < wish.limit && high > lowest;
        window = Math.min(window * 4, WINDOW)
      ) {
        const low = edge.get(high, window)?.id ?? 0;
        values.splice(-2, 2, high, low);
        rows.push(...find(wish.limit - rows.length));
        high = low;
      }
      return rows;
    },
  };
}
