import type { Page } from "../../store.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import type { Prefix } from "./ids.ts";
import { idAt } from "./paging.ts";
import type { Condition, Source } from "./source.ts";

// Lists that go by several indexes. Each gives ids in order, and the newest of all of them are the page: so no statement looks
// at more rows than it returns, but for those that a further condition takes out.

export type { Condition, Source };

export const when = (text: string, ...values: Value[]): Condition => ({ text, values });

export function all(conditions: Condition[]): Condition {
  return {
    text: conditions.map(({ text }) => text).join(" AND "),
    values: conditions.flatMap(({ values }) => values),
  };
}

/** At least one of them. */
export function any(conditions: Condition[]): Condition {
  const { values } = all(conditions);
  return { text: `(${conditions.map(({ text }) => text).join(" OR ")})`, values };
}

/** Characters at the beginning of a context by which an index of PostgreSQL finds it: an entry has 2.7 kB at most. */
export const INDEXED = 500;

const beginningOf = (text: string) => `substr(${text}, 1, ${INDEXED})`;

/** That a column is this context. */
export const isContext = (column: string, context: string): Condition =>
  when(`${beginningOf(column)} = ${beginningOf("?")} AND ${column} = ?`, context, context);

/** Numbers that rows lie between. */
export type Between = { above?: number; below?: number };

/** What bounds the ids of a page, in these columns. Ids grow with time, so that a time is a bound of them. */
export function bounds(
  tx: Tx,
  columns: string[],
  prefix: Prefix,
  { before, since, until, above, below }: Partial<Page> & Between,
): Condition[] {
  const made = (sign: string, id: number) => columns.map((column) => when(`${column} ${sign} ?`, id));
  return [
    ...(above === undefined ? [] : made(">", above)),
    ...(below === undefined ? [] : made("<", below)),
    ...(before === undefined ? [] : made("<", tx.ids.read(prefix, before))),
    ...(since === undefined ? [] : made(">=", idAt(since))),
    ...(until === undefined ? [] : made("<", idAt(until))),
  ];
}

/** The states that a list is narrowed down to; undefined: any. */
export const namedStates = <State extends string>(wish: {
  state?: State | undefined;
  states?: State[] | undefined;
}): State[] | undefined => wish.states ?? (wish.state === undefined ? undefined : [wish.state]);

/** That a column has one of these words. */
export const isOneWordOf = (column: string, words: string[]): Condition =>
  when(`${column} IN (${words.map(() => "?").join(", ")})`, ...words);

/** The newest ids of some sources, each once. */
export async function newest(tx: Tx, sources: Source[], limit: number): Promise<number[]> {
  const found = await Promise.all(
    sources.map(({ id, from, where, isRepeated = false, by = id }) => {
      const { text, values } = all(where);
      const select = `SELECT ${isRepeated ? "DISTINCT " : ""}${id} AS id FROM ${from} WHERE ${text || "1 = 1"}`;
      return tx.all(sql<Value[], { id: number }>(`${select} ORDER BY ${by} DESC LIMIT ?`), [...values, limit]);
    }),
  );
  const ids = new Set(found.flat().map(({ id }) => id));
  return [...ids].sort((a, b) => b - a).slice(0, limit);
}

/** Places for numbers in one statement, so that there are few statements however many numbers there are. */
const PLACES = [10, 50, 100, 500, 1_501];
export const MOST_PLACES = PLACES.at(-1)!;

/** That a column has one of these numbers: `MOST_PLACES` of them at most, and of none it is false. */
export function isOneOf(column: string, numbers: number[]): Condition {
  const places = PLACES.find((each) => each >= numbers.length)!;
  const values = numbers.concat(Array<number>(places - numbers.length).fill(numbers[0] ?? -1));
  return when(`${column} IN (${values.map(() => "?").join(", ")})`, ...values);
}

/** Numbers whose rows are read by one statement. */
const AT_ONCE = 500;

/** The rows of these ids, in their order. `select`: what stands before the condition on the ids in `column`. */
export async function rowsOf<Row extends { id: number }>(
  tx: Tx,
  { select, column }: { select: string; column: string },
  ids: number[],
): Promise<Row[]> {
  const rows = new Map<number, Row>();
  for (const some of among(column, ids)) {
    for (const row of await tx.all(sql<Value[], Row>(`${select} WHERE ${some.text}`), some.values))
      rows.set(row.id, row);
  }
  return ids.flatMap((id) => rows.get(id) ?? []);
}

/** That a column has one of these numbers: a condition for each statement that it takes. */
export function among(column: string, ids: number[]): Condition[] {
  return Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, at) =>
    isOneOf(column, ids.slice(at * AT_ONCE, (at + 1) * AT_ONCE)),
  );
}
