import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import Database from "better-sqlite3";
import { RelayError } from "../../../errors.ts";
import { loadAddon } from "../../../platform/native-addon.ts";
import { packed } from "../../../platform/packed.ts";
import { COMPANIONS } from "../../backup.ts";

/** How a file is opened. `timeout`: milliseconds to wait for another process's lock. */
export type Opening = { timeout: number; readonly?: boolean; fileMustExist?: boolean };

/** What is at the top of a data folder. Beside it the packed program may keep the driver's native part. */
const IN_DATA_FOLDER = ["relay.db", "relay.lock"];

/**
 * Opens a database file with the driver; throws what the driver throws, and RelayError("unsupported") for what is no file, and
 * when the packed program finds no place for the driver's native part.
 */
export function openFile(path: string, opening: Opening): Database.Database {
  for (const file of ["", ...COMPANIONS].map((end) => path + end)) {
    // SQLite waits for the other end of a pipe, and this whole process with it.
    if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) {
      throw new RelayError("unsupported", `${file} is not a file: move it away`);
    }
  }
  const dataDir = IN_DATA_FOLDER.includes(basename(path)) ? dirname(path) : undefined;
  return new Database(path, { ...opening, ...addonOf(dataDir) });
}

/** Opens a database file for as long as `work` takes. */
export function withFile<T>(path: string, opening: Opening, work: (db: Database.Database) => T): T {
  const db = openFile(path, opening);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** The packed program brings the driver's native part along. The driver takes the addon itself too, which its types do not know. */
function addonOf(dataDir: string | undefined): Database.Options {
  return packed === null ? {} : { nativeBinding: loadAddon(packed.addon, dataDir) as never };
}

/**
 * Opens the bytes of a database file, in memory. Its header says that it is in WAL mode, which memory has not: the two bytes
 * of it are set back to a rollback journal (sqlite.org/fileformat.html, "File format version numbers").
 */
export function openInMemory(bytes: Buffer): Database.Database {
  bytes.fill(1, 18, 20);
  return new Database(bytes, addonOf(undefined));
}

/** The version of SQLite that this program carries. */
export function sqliteVersion(): string {
  if (packed !== null) return packed.sqlite;
  return withFile(":memory:", { timeout: 0 }, (db) => db.prepare<[], string>("SELECT sqlite_version()").pluck().get()!);
}
