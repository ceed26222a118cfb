import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type Database from "better-sqlite3";
import { codeOf, RelayError } from "../../../errors.ts";
import { freeBytesSync } from "../../../platform/files/disk-space.ts";
import { COMPANIONS, type Compacted, databaseOf } from "../../backup.ts";
import { checkThere, INCREMENTAL, lockFolder } from "../files/database.ts";
import { openFile, withFile } from "../files/driver.ts";
import { checkVersion } from "../schema/migrations.ts";
import { oneLine } from "./copy.ts";
import { makeFile } from "./file.ts";
import { checkIntegrity, compareContents, readContents } from "./integrity-check.ts";

/** Bytes of the disk that are left to others. */
const MARGIN = 16 * 2 ** 20;

/** See src/store/copy-database.ts. */
export async function compactDatabase(dataDir: string): Promise<Compacted> {
  checkThere(databaseOf(dataDir), `no database in ${dataDir}: has the relay run with this config?`);
  // The new file takes the place of the file itself, and not of a link to it.
  const path = realpathSync(databaseOf(dataDir));
  const dir = dirname(path);
  return oneLine(`${path} was not compacted, and is as it was`, dir, async () => {
    const unlock = lockFolder(dataDir);
    try {
      const db = openAlone(path);
      try {
        return await rewrite(db, path, dir);
      } finally {
        db.close();
      }
    } finally {
      unlock();
    }
  });
}

/** Opens it so that no other process has it open, with all that is in its log in the file itself. */
function openAlone(path: string): Database.Database {
  const db = openFile(path, { timeout: 0, fileMustExist: true });
  try {
    checkVersion(db);
    // This takes the log away, which only the last connection can (sqlite.org/wal.html).
    if (db.pragma("journal_mode = DELETE", { simple: true }) !== "delete") throw inUse(path);
    // Held from then on until it is closed.
    db.pragma("locking_mode = EXCLUSIVE");
    db.exec("BEGIN EXCLUSIVE; COMMIT");
    return db;
  } catch (error) {
    db.close();
    throw /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)) ? inUse(path) : error;
  }
}

const inUse = (path: string) =>
  new RelayError("conflict", `another process has ${path} open: end it (see lsof), and try again`);

/** Writes what is in it into a new file, which takes its place when it is known to hold the same. */
async function rewrite(db: Database.Database, path: string, dir: string): Promise<Compacted> {
  const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }));
  const before = statSync(path).size;
  const needed = (number("page_count") - number("freelist_count")) * number("page_size") + MARGIN;
  const free = freeBytesSync(dir);
  if (free < needed) {
    const [need, have] = [needed, free].map((bytes) => `${Math.ceil(bytes / 2 ** 20)} MiB`);
    throw new RelayError("unsupported", `compacting needs ${need} on the disk of ${dir}, ${have} are free`);
  }
  const contents = readContents(db);
  await makeFile(path, async ({ temp, check }) => {
    check();
    // The new file has the mode that this connection is given, and shrinks by itself from now on. Of a file that has it
    // already this would be a write, with a journal beside it.
    if (number("auto_vacuum") !== INCREMENTAL) db.pragma(`auto_vacuum = ${INCREMENTAL}`);
    db.prepare("VACUUM INTO ?").run(temp);
    withFile(temp, { timeout: 0, fileMustExist: true }, (made) => {
      compareContents(contents, readContents(made));
      checkIntegrity(made, "the new file");
      // As the relay leaves it.
      made.pragma("journal_mode = WAL");
    });
    const left = COMPANIONS.map((end) => path + end).find((one) => lstatSync(one, { throwIfNoEntry: false })?.size);
    if (left !== undefined) throw new RelayError("conflict", `${left} is there: another process has the database open`);
  });
  return { before, after: statSync(path).size };
}
