import { errorLine } from "../errors.ts";

/** Checks one table after the other; `tell` is called before each. */
export async function checkEach(
  opened: Inspected,
  signal: AbortSignal,
  tell: (how: string) => void,
): Promise<string[]> {
  const tables = opened.tables();
  const wrong: string[] = [];
  for (const [at, table] of tables.entries()) {
    tell(`table ${at + 1} of ${tables.length}, ${table}`);
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    wrong.push(...opened.checkTable(table));
  }
  return wrong;
}

/** What is wrong with a database; nothing: it is whole. One that cannot be read is as wrong. `tell` is called before each table. */
export async function checkTables(
  inspect: () => Inspected,
  signal: AbortSignal,
  tell: (how: string) => void,
): Promise<string[]> {
  let opened: Inspected | null = null;
  try {
    opened = inspect();
    return await checkEach(opened, signal, tell);
  } catch (error) {
    signal.throwIfAborted();
    return [errorLine(error)];
  } finally {
    opened?.close();
  }
}

/** A database that is only looked at. */
export type Inspected = {
  /** `isOurs`: whether it is a relay's; `newest`: the schema of this program. */
  facts(): { isOurs: boolean; schema: number; newest: number; journalMode: string };
  tables(): string[];
  /** What is wrong with all of it, indexes too; nothing: it is whole (sqlite.org/pragma.html#pragma_integrity_check). Takes long. */
  checkAll(): string[];
  /** The same for one table, without comparing its indexes with it: of a large database, a part at a time. */
  checkTable(name: string): string[];
  close(): void;
};

/** Bytes. The relay cuts its write-ahead log to 64 MiB after each checkpoint; one of this length cannot be cut now. */
export const LONG_LOG = 256 * 2 ** 20;

/** The way out of a damaged database. */
export const RESTORE =
  "stop the relay, move relay.db and what begins with its name away, then wochit-relay restore FILE from the last backup";
