import { fsyncSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import type Database from "better-sqlite3";
import { errorLine, RelayError } from "../../../errors.ts";
import { sha256OfFile } from "../../../platform/files/sha256.ts";
import type { Copied, CopyOptions } from "../../backup.ts";
import { checkThere } from "../files/database.ts";
import { openFile, withFile } from "../files/driver.ts";
import { checkDestination, type FileToBe, makeFile } from "./file.ts";
import { type Contents, checkIntegrity, compareContents, readContents } from "./integrity-check.ts";
import { FORGET_BEGUN } from "./records.ts";

/** Milliseconds to wait for another process that checkpoints, or recovers, the log. */
const PATIENCE = 10_000;

/** Pages that are copied in one go: signals and progress are handled in between. */
const STEP = 1024;

/**
 * Bytes that are written between two syncs. A disk that writes a whole copy at once makes the relay's own small syncs wait
 * behind it.
 */
const SYNC_EVERY = 16 * 2 ** 20;

/**
 * SQLite's online backup (sqlite.org/backup.html), from a connection that reads one snapshot for as long as the copy takes:
 * what others commit meanwhile neither is in it nor makes it begin anew.
 */
export async function copyDatabase(database: string, wanted: string, options: CopyOptions): Promise<Copied> {
  const { clock, signal } = options;
  const began = clock.elapsed();
  const at = clock.now();
  checkThere(database, `there is no database ${database}`);
  // Not read-only: the last one to close a database takes its log along, and a reader could not.
  const source = openFile(database, { timeout: PATIENCE, fileMustExist: true });
  try {
    const file = checkDestination(wanted, database);
    return await oneLine(`the backup ${wanted} was not made`, dirname(file), async () => {
      const { contents, proven } = await makeFile(file, async (toBe) => {
        const contents = await copy(source, toBe, options);
        signal?.throwIfAborted();
        return { contents, proven: await prove(toBe, contents, options) };
      });
      const { schema, events, newest } = contents;
      return { file, at, schema, events, newest, ...proven, ms: Math.round(clock.elapsed() - began) };
    });
  } finally {
    source.close();
  }
}

/** Copies it as it is at one moment, and says what it held then. */
async function copy(db: Database.Database, toBe: FileToBe, { signal, onProgress }: CopyOptions): Promise<Contents> {
  db.pragma("wal_autocheckpoint = 0");
  db.exec("BEGIN");
  const contents = readContents(db);
  if (contents.schema === 0) throw new RelayError("conflict", `${db.name} holds nothing yet`);
  const pageSize = Number(db.pragma("page_size", { simple: true }));
  toBe.check();
  let unsynced = 0;
  await db.backup(toBe.temp, {
    progress({ totalPages, remainingPages }) {
      signal?.throwIfAborted();
      unsynced += STEP * pageSize;
      if (unsynced >= SYNC_EVERY) {
        fsyncSync(toBe.handle);
        unsynced = 0;
      }
      onProgress?.({ step: "copying", done: (totalPages - remainingPages) * pageSize, total: totalPages * pageSize });
      return STEP;
    },
  });
  settleLog(db);
  return contents;
}

/**
 * Ends the snapshot, during which the log could only grow, and brings what has gathered in it into the database at once:
 * else the relay's next commit would do all of that, and keep everybody waiting (sqlite.org/wal.html, 2.3).
 */
function settleLog(db: Database.Database): void {
  const end = db.prepare("COMMIT");
  const checkpoint = db.prepare<[], { log: number; checkpointed: number }>("PRAGMA wal_checkpoint(PASSIVE)");
  end.run();
  for (let round = 0; round < 5; round++) {
    const { log, checkpointed } = checkpoint.get()!;
    if (log - checkpointed < 1000) return;
  }
}

/** Opens the copy anew and looks whether it is whole, and only then at its bytes. */
async function prove(toBe: FileToBe, contents: Contents, options: CopyOptions) {
  const { signal, onProgress, withHash = false } = options;
  const { temp } = toBe;
  const total = statSync(temp).size;
  onProgress?.({ step: "checking", done: 0, total });
  // What its relay was making just then, this copy itself above all, is not for the relay of the copy to remove.
  makePlain(temp, (db) => db.exec(FORGET_BEGUN));
  const db = openFile(temp, { timeout: 0, readonly: true, fileMustExist: true });
  try {
    // Held to the end, so that no other run takes the file for one that was left behind.
    db.exec("BEGIN");
    compareContents(contents, readContents(db));
    checkIntegrity(db, "the copy");
    onProgress?.({ step: "checking", done: total, total });
    // By the handle that is open: closing another would give up the lock.
    const sha256 = withHash ? await sha256OfFile(toBe.handle, signal) : null;
    // A signal to end, and the end of the parent process, are noticed only after the check.
    await setImmediate();
    signal?.throwIfAborted();
    // After this its end takes but an instant.
    fsyncSync(toBe.handle);
    return { bytes: total, sha256 };
  } finally {
    db.close();
  }
}

/** Makes it one file by itself, which can be read where nothing can be written: a log would be a second one. Then runs `work`. */
export function makePlain<T>(path: string, work: (db: Database.Database) => T): T {
  return withFile(path, { timeout: 0, fileMustExist: true }, (db) => {
    const mode = db.pragma("journal_mode = DELETE", { simple: true });
    if (mode !== "delete") throw new Error(`its journal mode stays ${mode}`);
    return work(db);
  });
}

/** Whatever stopped it, in one line that says what to do. */
export async function oneLine<T>(what: string, dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RelayError) throw error;
    const code = String((error as { code?: unknown }).code ?? "");
    throw new RelayError("unsupported", `${what}: ${wordsFor(code, dir) ?? errorLine(error)}`, { cause: error });
  }
}

function wordsFor(code: string, dir: string): string | null {
  if (["SQLITE_FULL", "ENOSPC", "EDQUOT"].includes(code)) {
    return `there is no room in ${dir}; make some, or choose another place`;
  }
  if (code === "EROFS")
    return `${dir} is on a file system that is read-only; mount it writable, or choose another place`;
  if (["EACCES", "EPERM"].includes(code)) {
    return `no file may be made in ${dir} by this user; run this as one who may, or choose another place`;
  }
  return code === "ENAMETOOLONG" ? "its name is too long; choose a shorter one" : null;
}
