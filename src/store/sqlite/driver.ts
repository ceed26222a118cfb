import Database from "better-sqlite3";

/** How a file is opened. `timeout`: milliseconds to wait for another process's lock. */
export type Opening = { timeout: number; readonly?: boolean; fileMustExist?: boolean };

/** Opens a database file with the driver; throws what the driver throws. */
export function openFile(path: string, opening: Opening): Database.Database {
  return new Database(path, opening);
}
