import { RelayError } from "../../../errors.ts";
import { LOWER_CASE } from "../../sqlite/copy/source.ts";

// What of a database in SQLite becomes what in PostgreSQL. Both have the tables of one core (core/), so a table becomes the one of
// its name, and a column likewise. What only one of them has is named here: anything else is refused, so that no table and no
// column that is added later can be left out by accident.

/** A column of PostgreSQL, with its type as the server spells it. */
export type Column = { table: string; name: string; type: string; isKey: boolean };

export type CopyTable = {
  name: string;
  columns: Column[];
  /** Its primary key, by which its rows are in order. */
  key: Column[];
  /** In SQLite, without an order. */
  from: string;
  /** In SQLite, in order of the key. */
  select: string;
};

/** What a table of PostgreSQL is filled from, where that is no table of its name with columns of the same names. */
type Special = { from?: string; columns?: Record<string, string> };

/** Facts that are PostgreSQL's own, or about the file: its last check, its backups, how much it held when (core/rows/meta.ts). */
const OWN_FACTS = ["epoch", "epoch-number", "probe", "integrity", "backups-begun", "backup-failed", "storage"];

const NUMBER = "coalesce((SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM meta WHERE name = 'epoch-number'), 0)";

/** What was claimed last is of the relay of this data folder, and what is spooled is in it. */
const specials = (node: string): Record<string, Special> => {
  const own = { columns: { node: `'${node}'` } };
  return {
    ...{ media: own, deliveries: own, transfers: own, tasks: own, receivers: own },
    epochs: {
      columns: { number: `CASE WHEN id = (SELECT max(id) FROM epochs) THEN ${NUMBER} ELSE 0 END`, began_at: "NULL" },
    },
    meta: { from: `meta WHERE name NOT IN (${OWN_FACTS.map((name) => `'${name}'`).join()})` },
    counts: { from: "counters", columns: { slot: "0" } },
    titles: {
      from: "videos WHERE title IS NOT NULL",
      columns: { video: "id", folded: `${LOWER_CASE}(title)` },
    },
  };
};

/** Tables of PostgreSQL that begin empty: all titles are written already; names, receipts, decisions, relays and paces are of what runs there. */
const EMPTY = ["titles_due", "given_names", "receipts", "handed_over", "nodes", "paces"];

/** Tables of SQLite that no other is made from by its name: files are backed up; the rest is its index of titles. */
const LEFT = [
  ...["backups", "counters", "titles_reached", "titles_due"],
  ...["titles", "titles_data", "titles_idx", "titles_docsize", "titles_config"],
];

/** Columns of SQLite that nothing reads any longer, or that `ids` of PostgreSQL says. */
const LEFT_COLUMNS: Record<string, string[]> = { deliveries: ["aside_at", "failing_since"], epochs: ["given"] };

/**
 * The tables that are filled, with what they are filled from. `node`: the relay of the data folder. RelayError("unsupported") for a
 * table or a column that one side has, and that is not known here.
 */
export function mapTables(
  source: ReadonlyMap<string, readonly string[]>,
  target: readonly Column[],
  node: string,
): CopyTable[] {
  const byTable = Map.groupBy(target, ({ table }) => table);
  const special = specials(node);
  for (const [table, columns] of source) {
    if (LEFT.includes(table)) continue;
    if (!byTable.has(table)) throw unknown(`the table ${table} of SQLite`);
    const has = new Set(byTable.get(table)!.map(({ name }) => name));
    const lost = columns.find((name) => !has.has(name) && !LEFT_COLUMNS[table]?.includes(name));
    if (lost !== undefined) throw unknown(`the column ${table}.${lost} of SQLite`);
  }
  return [...byTable].flatMap(([name, columns]) => {
    if (EMPTY.includes(name)) return [];
    const { from = name, columns: given = {} } = special[name] ?? {};
    const known = source.get(from.split(" ")[0]!) ?? [];
    const values = columns.map((column) => {
      const value = given[column.name] ?? (known.includes(column.name) ? quoted(column.name) : undefined);
      if (value === undefined) throw unknown(`the column ${name}.${column.name} of PostgreSQL`);
      return `${value} AS ${quoted(column.name)}`;
    });
    const key = columns.filter(({ isKey }) => isKey);
    const order = key.map((column) => quoted(column.name)).join(", ");
    return { name, columns, key, from, select: `SELECT ${values.join(", ")} FROM ${from} ORDER BY ${order}` };
  });
}

export const quoted = (name: string) => `"${name}"`;

function unknown(what: string): RelayError {
  return new RelayError("unsupported", `this version does not know what becomes of ${what}: nothing was copied`);
}
