import type { Page } from "../../store.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import type { Prefix } from "./ids.ts";
import { PER_MS } from "./numbers.ts";

/** No limit, as a number that LIMIT takes. */
export const ALL = Number.MAX_SAFE_INTEGER;

/** The least id that a row made at `time` has: ids grow with time (numbers.ts). */
export function idAt(time: number): number {
  return Math.floor(time) * PER_MS;
}

/**
 * A list of a table that stays small, newest first, whose conditions are added one by one. `select` is what stands between
 * SELECT and WHERE. A time bound on a row's making is a bound on its id.
 */
export function page<Row>(
  tx: Tx,
  select: string,
  id: string,
  prefix: Prefix,
  wish: Page,
): {
  where(condition: string, ...values: Value[]): void;
  all(): Promise<Row[]>;
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
    sql<Value[], Row>(`SELECT ${select} WHERE ${conditions.join(" AND ")} ORDER BY ${id} DESC LIMIT ?`);

  return {
    where,
    all: () => tx.all(statement(), [...values, wish.limit]),
  };
}
