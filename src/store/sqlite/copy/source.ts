import type { Value } from "../../core/value.ts";
import { lockFolder, openDatabase } from "../files/database.ts";
import { newestNumber } from "../rows/newest.ts";
import { migrations } from "../schema/migrations.ts";

/** The database of a data folder, as it is at one moment; no relay starts on the folder until it is closed. */
export type Source = {
  /** The columns of each table; those of the driver's own and of indexes, too. */
  tables: ReadonlyMap<string, readonly string[]>;
  /** The rows of a SELECT, in one pass: one of them at a time is in memory. Nothing else can be read meanwhile. */
  rows(select: string): Iterable<unknown[]>;
  all<Row>(select: string): Row[];
  /** The newest id that was given. */
  newestId(): number;
  close(): void;
};

/** In a SELECT: a text in lower case, as the program makes it. */
export const LOWER_CASE = "lower_case";

/**
 * RelayError("not_found") where there is no database; "conflict" while a relay runs on the folder, and where the database has not
 * the schema of this program.
 */
export function openSource(dataDir: string): Source {
  const db = openDatabase(dataDir, "operator");
  let unlock = () => {};
  const close = () => {
    db.close();
    unlock();
  };
  try {
    unlock = lockFolder(dataDir);
    db.function(LOWER_CASE, (text: unknown) => String(text).toLowerCase());
    // Commands may write meanwhile: this reads what was there when it began.
    db.exec("BEGIN");
    const names = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const columns = db.prepare<[string], string>("SELECT name FROM pragma_table_info(?)").pluck();
    return {
      tables: new Map(names.map(({ name }) => [name, columns.all(name)])),
      rows: (select) => db.prepare<[], Value[]>(select).raw().iterate(),
      all: <Row>(select: string) => db.prepare<[], Row>(select).all(),
      newestId: newestNumber(db, migrations.length),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
