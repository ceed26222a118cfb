import type { Page } from "../../store.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import type { Prefix } from "./ids.ts";
import { PER_MS } from "./numbers.ts";

/** No limit, as a number that LIMIT takes. */
export const ALL = Number.MAX_SAFE_INTEGER;

/** Rows that one statement looks through where no index serves its conditions, at first and at most: tenths of a second. */
const FIRST_WINDOW = 2_000;
const WINDOW = 128_000;

/** The least id that a row made at `time` has: ids grow with time (numbers.ts). */
export function idAt(time: number): number {
  return Math.floor(time) * PER_MS;
}

/**
 * A list, newest first by default, whose conditions are added one by one. `select` is what stands between SELECT and WHERE.
 * A time bound on a row's making is a bound on its id.
 */
export function page<Row>(
  tx: Tx,
  select: string,
  id: string,
  prefix: Prefix,
  wish: Page,
  order = `${id} DESC`,
): {
  where(condition: string, ...values: Value[]): void;
  all(): Promise<Row[]>;
  scan(table: string): Promise<Row[]>;
} {
  const conditions: string[] = ["1 = 1"];
  const values: Value[] = [];
  const where = (condition: string, ...given: Value[]): void => {
    conditions.push(condition);
    values.push(...given);
  };
  if (wish.before !== undefined) where(`${id} < ?`, tx.ids.read(prefix, wish.before));
  if (wish.since !== undefined) where(`${id} >= ?`, idAt(wish.since));
  if (wish.until !== undefined) where(`${id} < ?`, idAt(wish.until));
  const statement = () =>
    sql<Value[], Row>(`SELECT ${select} WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ?`);

  return {
    where,
    all: () => tx.all(statement(), [...values, wish.limit]),

    /**
     * The same where no index serves the conditions, so that all of the table may have to be looked through: in several
     * statements, because the log (WAL) can take back nothing that came after the beginning of a read that still runs.
     */
    async scan(table) {
      const edge = sql<[number, number], { id: number }>(
        `SELECT id FROM ${table} WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?`,
      );
      const lowest = wish.since === undefined ? 0 : idAt(wish.since);
      const rows: Row[] = [];
      where(`${id} < ? AND ${id} >= ?`, 0, 0);
      const found = statement();
      let high = wish.before === undefined ? Number.MAX_SAFE_INTEGER : tx.ids.read(prefix, wish.before);
      if (wish.until !== undefined) high = Math.min(high, idAt(wish.until));
      for (
        let window = FIRST_WINDOW;
        rows.length < wish.limit && high > lowest;
        window = Math.min(window * 4, WINDOW)
      ) {
        const low = (await tx.get(edge, [high, window]))?.id ?? 0;
        values.splice(-2, 2, high, low);
        rows.push(...(await tx.all(found, [...values, wish.limit - rows.length])));
        high = low;
      }
      return rows;
    },
  };
}
