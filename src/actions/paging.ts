import type { Page } from "../store/store.ts";

/** Rows of one question to the store. */
const PAGE = 500;

/** Walks a list of the store, newest first, until `limit` rows or its end. `keyOf` is what the next page begins before. */
export async function* walk<Row>(
  list: (page: Page) => Promise<Row[]>,
  keyOf: (row: Row) => string,
  wish: Page,
): AsyncGenerator<Row> {
  let { before } = wish;
  for (let rest = wish.limit; rest > 0; ) {
    const limit = Math.min(rest, PAGE);
    const rows = await list({ ...wish, before, limit });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    rest -= rows.length;
    before = keyOf(last);
  }
}

/** The ids of a whole list, oldest first: what is done to many is done in the order in which it came about. */
export async function collectIds<Row extends { id: string }>(
  list: (page: Page) => Promise<Row[]>,
  range: { since?: number; until?: number },
): Promise<string[]> {
  const ids: string[] = [];
  for await (const row of walk(list, idOf, { ...range, limit: Number.POSITIVE_INFINITY })) ids.push(idOf(row));
  return ids.reverse();
}

export function idOf({ id }: { id: string }): string {
  return id;
}

/** What became of one of many: an `error` in words, or null when it was done. */
export type Done = { id: string; error: string | null };
