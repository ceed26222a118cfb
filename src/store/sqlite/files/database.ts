import { chmodSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type Database from "better-sqlite3";
import { codeOf, errorLine, RelayError } from "../../../errors.ts";
import { makeFolders } from "../../../platform/files/file-system.ts";
import { databaseOf } from "../../backup.ts";
import type { Opening } from "../../settings.ts";
import { checkVersion, migrate } from "../schema/migrations.ts";
import { openFile, openInMemory } from "./driver.ts";
import { ensureOwnFile } from "./ownership.ts";

/** How long an operator's command waits for its turn to write; the relay itself never blocks (commit/group.ts tries again). */
const OPERATOR_PATIENCE = 5_000;

/** How long a start waits for a command's lock, in milliseconds: of one that opens or closes the database just then. */
const START_PATIENCE = 2_000;

/** A database that cannot be opened where it is is read into memory up to this size, in bytes. */
const LARGEST_IN_MEMORY = 256 * 2 ** 20;

/** `doctor` looks at the folder's lock, and holds it for an instant: that is no other relay. */
const LOCK_PATIENCE = 300;

/** Whether there is a write-ahead log with something in it. The last connection removes it when it is closed well. */
export function hasLog(dir: string): boolean {
  return (statSync(`${databaseOf(dir)}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** Runs `work`; an error that is not in our words becomes RelayError("unsupported"): one line that begins with `what` went wrong. */
export function inWords<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RelayError) throw error;
    throw new RelayError("unsupported", `${what}: ${errorLine(error)}`, { cause: error });
  }
}

/** Makes the data folder, the owner's alone. */
export function makeFolder(dir: string): void {
  inWords(`dataDir ${dir} cannot be made`, () => makeFolders(dir));
  if (statSync(dir).isDirectory()) return;
  throw new RelayError("conflict", `dataDir ${dir} is a file: name a folder, which is made where it is missing`);
}

/** The file whose lock says that a relay has the data folder. */
export function lockOf(dir: string): string {
  return join(dir, "relay.lock");
}

/**
 * One relay per data folder: an exclusive lock on a small file of SQLite's, which the kernel drops when the process
 * dies, however it dies. A symbolic link in its place is refused: RelayError("conflict").
 */
export function lockFolder(dir: string): () => void {
  const path = lockOf(dir);
  return inWords(`dataDir ${dir} cannot be locked`, () => {
    ensureOwnFile(dir, path);
    const lock = openFile(path, { timeout: LOCK_PATIENCE, fileMustExist: true });
    try {
      lock.pragma("journal_mode = MEMORY");
      lock.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      if (codeOf(error) !== "SQLITE_BUSY") throw error;
      throw new RelayError(
        "conflict",
        `another wochit-relay is running with dataDir ${dir}; stop it, or use another folder`,
      );
    }
    return () => lock.close();
  });
}

/**
 * Throws one line that says why there is no database; `missing` where nothing is there. It opens nothing: closing it again
 * would give up the locks of what has it open in this process.
 */
export function checkThere(path: string, missing: string): void {
  try {
    statSync(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) throw new RelayError("not_found", missing);
    throw new RelayError("unsupported", `${path} cannot be read: ${errorLine(error)}; run this as the relay's user`);
  }
}

/**
 * For a command: on a disk that takes no new file SQLite cannot open a database in WAL mode that was closed well, since it
 * makes the log beside it first (sqlite.org/wal.html#read_only_databases). What is not too large is read into memory then,
 * and can only be read. Not where this process has the database open: the copy would grow old, and closing the file after
 * reading it would give up the locks (sqlite.org/howtocorrupt.html, "POSIX advisory locks").
 */
function openToRead(path: string, isBeside: boolean): Database.Database {
  const db = openFile(path, { timeout: OPERATOR_PATIENCE });
  try {
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    return db;
  } catch (error) {
    db.close();
    if (
      isBeside ||
      !/^SQLITE_(CANTOPEN|IOERR|FULL)/.test(codeOf(error)) ||
      hasLog(dirname(path)) ||
      statSync(path).size > LARGEST_IN_MEMORY
    )
      throw error;
    const copy = openInMemory(readFileSync(path));
    copy.pragma("query_only = ON");
    return copy;
  }
}

/** The mode in which free pages are given back to the disk a few at a time (sqlite.org/pragma.html#pragma_auto_vacuum). */
export const INCREMENTAL = 2;

/** A commit that leaves this number of pages in the log moves them into the database. */
const CHECKPOINT_AT = 1_000;

/** Opens the database of a data folder: the relay makes and migrates it, an operator's command makes nothing. */
export function openDatabase(
  dir: string,
  role: "relay" | "operator",
  { checkpointAt = CHECKPOINT_AT, isBeside = false }: Pick<Opening, "checkpointAt" | "isBeside"> = {},
): Database.Database {
  const path = databaseOf(dir);
  if (role === "operator") checkThere(path, `no database in ${dir}: has the relay run with this config?`);
  const db = inWords(`${path} cannot be opened`, () =>
    role === "relay" ? openFile(path, { timeout: START_PATIENCE }) : openToRead(path, isBeside),
  );
  try {
    inWords(`${path} cannot be used`, () => prepare(db, path, role, checkpointAt));
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepare(db: Database.Database, path: string, role: "relay" | "operator", checkpointAt: number): void {
  if (role === "relay") {
    if ((statSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    checkVersion(db);
    // Of a new database only: once it has a page, or is in WAL mode, this changes nothing (sqlite.org/pragma.html#pragma_auto_vacuum).
    db.pragma(`auto_vacuum = ${INCREMENTAL}`);
    db.pragma("journal_mode = WAL");
  }
  // A 2xx means committed to disk: better-sqlite3's default in WAL mode is NORMAL, which is not (ARCHITECTURE rule 1).
  db.pragma("synchronous = FULL");
  db.pragma(`wal_autocheckpoint = ${checkpointAt}`);
  db.pragma("journal_size_limit = 67108864");
  db.pragma("cache_size = -32768");
  // A savepoint copies each page it is the first to touch into a temporary file; in memory that costs next to nothing.
  db.pragma("temp_store = MEMORY");
  db.pragma("foreign_keys = OFF");
  if (role === "relay") {
    migrate(db);
    db.pragma("busy_timeout = 0");
  } else checkVersion(db, { isMigrated: true });
  // What is deleted, or moved within the file, is overwritten: an erased video leaves no copy in free room. Not while a
  // migration drops whole indexes (sqlite.org/pragma.html#pragma_secure_delete).
  db.pragma("secure_delete = ON");
}
