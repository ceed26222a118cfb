import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { CappedCount } from "../store/filters.ts";
import type { Page, Store } from "../store/store.ts";
import type { Link } from "./json.ts";

// A list is declared once, as a `List`: the command line makes its options, table and JSON lines from it, and the API and
// the pages can do the same.

/** A filter of a list: any text, or one of `words` (or some, `isMany`), or only given or not (`isFlag`), or a time (`isTime`). */
export type Filter = {
  help: string;
  words?: readonly string[];
  isFlag?: true;
  isTime?: true;
  /** Several of its words, with commas between them. */
  isMany?: true;
  /** What its value is called in `--help`; "TEXT" unless given. */
  value?: string;
  /** Its option on the command line where that is not its own name (videoId: --video-id). */
  option?: string;
};

export type Filters = Record<string, Filter>;

/** The values of filters, as the store takes them. */
export type FilterValues<Of extends Filters> = {
  [Name in keyof Of]?: Of[Name] extends { isFlag: true }
    ? boolean
    : Of[Name] extends { isTime: true }
      ? number
      : Of[Name] extends { isMany: true }
        ? string
        : Of[Name] extends { words: readonly (infer Word)[] }
          ? Word
          : string;
};

/** What a list is asked for. */
export type Query<Of extends Filters> = Page & FilterValues<Of>;

/** Which rows are meant, when it is not one. */
export type Selection<Of extends Filters> = FilterValues<Of> & Pick<Page, "since" | "until">;

/** What is read: the database, the config, and the durable addresses of copies. */
export type Sources = { store: Store; config: Config; openLink(): Promise<Link> };

/** One column of a table. `now` is for values that are shown relative to it. */
export type Column<Row> = {
  title: string;
  value(row: Row, now: number): string | number | null | undefined;
  /** It is never cut: a part of an id is of no use. */
  whole?: boolean;
  /** Its least width in cells when a table is too wide; 8 unless given. */
  least?: number;
  /** It is left out where a terminal is too narrow, the highest number first; without it the column stays. */
  spare?: number;
  /** On a terminal that is too narrow it stands below its row, whole: an address to be copied, the words of an error. */
  below?: true;
};

export type List<Of extends Filters, Row> = {
  filters: Of;
  /** How many rows it has, of one that can be long. */
  total?(from: Sources, wish: Selection<Of>): Promise<CappedCount>;
  rows(from: Sources, query: Query<Of>): AsyncIterable<Row>;
  columns: Column<Row>[];
  /** What the next page begins before; the row's `id` unless given. */
  keyOf?(row: NoInfer<Row>): string;
};

/** Checks the declaration and infers its types. */
export function list<const Of extends Filters, Row>(declared: List<Of, Row>): List<Of, Row> {
  return declared;
}

/** Rows of one query of the store. */
const PAGE = 500;

/**
 * Walks a list of the store, newest first, until `limit` rows or its end; each row as `toRow` makes it. `keyOf` is what the next
 * page begins before.
 */
export async function* walk<From, Asked extends Page, To = From>(
  read: (query: Asked) => Promise<From[]>,
  query: Asked,
  toRow: (row: From) => To = (row) => row as never,
  keyOf: (row: From) => string = (row) => (row as { id: string }).id,
): AsyncGenerator<To> {
  let { before } = query;
  for (let rest = query.limit; rest > 0; ) {
    const limit = Math.min(rest, PAGE);
    const rows = await read({ ...query, before, limit });
    yield* rows.map(toRow);
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    rest -= rows.length;
    before = keyOf(last);
  }
}

export async function collect<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** The ids of a whole list, oldest first: the order in which the rows came about, and in which they are worked on. */
export async function collectIds<Asked extends object>(
  read: (query: Page & Asked) => Promise<{ id: string }[]>,
  filter: Asked,
): Promise<string[]> {
  const all = { ...filter, limit: Number.POSITIVE_INFINITY };
  return (await collect(walk(read, all, ({ id }) => id))).reverse();
}

/** What became of one of many: an `error` in words, or null when it was done. */
export type Done = { id: string; error: string | null };

/** Does `act` to each id, in order. A failure becomes a row, and the next one follows. */
export async function* doToAll(ids: string[], act: (id: string) => Promise<void>): AsyncGenerator<Done> {
  for (const id of ids) {
    const error = await act(id).then(() => null, errorLine);
    yield { id, error };
  }
}
