import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorLine, RelayError } from "../../../errors.ts";
import { syncFolderSync } from "../../../platform/files/file-system.ts";
import { COMPANIONS, databaseOf, PART, partOf } from "../../backup.ts";
import { withFile } from "../files/driver.ts";
import { giveToOwnerOf } from "../files/ownership.ts";
import { APPLICATION_ID } from "../schema/migrations.ts";

/** Copies on their way, and those of version 0.2.0 under names of its own. */
const ON_THEIR_WAY = new RegExp(`^\\..+\\${PART}$|^\\.relay-.+\\.db\\.part$`);

/** Older than this (milliseconds), and not locked, they belong to no run: only between its steps a run holds no lock. */
const FORGOTTEN_AFTER = 60_000;

/** A file that is made under another name, and gets its own when it is whole. */
export type FileToBe = {
  /** Where it is until then. */
  temp: string;
  /** Of it, open for reading and writing; nothing else closes it. */
  handle: number;
  /** Throws RelayError("conflict") where another run has taken its place. */
  check(): void;
};

/**
 * Makes a file that only its owner reads: `work` writes it, and then it is durable under its own name. Where that fails nothing of
 * it is left. What an earlier run has left on its way is removed, unless that run is still at it: RelayError("conflict").
 */
export async function makeFile<T>(file: string, work: (toBe: FileToBe) => Promise<T>): Promise<T> {
  const dir = dirname(file);
  const temp = partOf(file);
  clear(temp);
  // Held open to the end: closing any handle of a file gives up SQLite's locks on it (sqlite.org/howtocorrupt.html, 2.2).
  const handle = openSync(temp, "wx+", 0o600);
  const { dev, ino } = fstatSync(handle);
  const isOwn = () => {
    const found = lstatSync(temp, { throwIfNoEntry: false });
    return found?.dev === dev && found.ino === ino;
  };
  const check = () => {
    if (!isOwn()) throw new RelayError("conflict", `${temp} was removed by another; try again`);
  };
  let isWhole = false;
  try {
    fchmodSync(handle, 0o600);
    giveToOwnerOf(dir, handle);
    clearForgotten(dir, temp);
    const made = await work({ temp, handle, check });
    check();
    fsyncSync(handle);
    isWhole = true;
    return made;
  } finally {
    closeSync(handle);
    try {
      if (isWhole) renameSync(temp, file);
    } finally {
      if (isOwn()) removeAll(temp);
    }
    if (isWhole) syncFolderSync(dir);
  }
}

/** What runs that were killed have left under names that no run uses again: those with a time in them. */
function clearForgotten(dir: string, ownPath: string): void {
  const { mtimeMs: now } = statSync(ownPath);
  for (const name of readdirSync(dir)) {
    const temp = join(dir, name);
    // A restore holds no lock while it waits for what it reads.
    if (!ON_THEIR_WAY.test(name) || temp === ownPath || temp === partOf(databaseOf(dir))) continue;
    const found = lstatSync(temp, { throwIfNoEntry: false });
    if (found === undefined || now - found.mtimeMs < FORGOTTEN_AFTER) continue;
    try {
      clear(temp);
    } catch {
      // It is at work, or not ours to remove.
    }
  }
}

function clear(temp: string): void {
  if (lstatSync(temp, { throwIfNoEntry: false })?.isFile()) {
    let busy = false;
    try {
      withFile(temp, { timeout: 0, fileMustExist: true }, (db) => db.exec("BEGIN EXCLUSIVE"));
    } catch (error) {
      busy = (error as { code?: string }).code === "SQLITE_BUSY";
    }
    if (busy) throw new RelayError("conflict", `${temp} is being written by another backup; wait for its end`);
  }
  removeAll(temp);
}

function removeAll(temp: string): void {
  for (const end of ["", ...COMPANIONS]) rmSync(temp + end, { force: true });
}

/**
 * The path that a backup may be written to: that of a new file, or of a former backup. RelayError("conflict") for the
 * database itself (also through a link), its companions, a folder, and what is none of ours.
 */
export function checkDestination(file: string, database: string): string {
  const dir = realFolder(dirname(file));
  let path = join(dir, basename(file));
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
    try {
      path = realpathSync(path);
    } catch {
      throw new RelayError("conflict", `${file} is a link that leads nowhere; name another file`);
    }
  }
  const live = realpathSync(database);
  const found = statSync(path, { throwIfNoEntry: false });
  const source = statSync(live);
  const isLive = found !== undefined && found.dev === source.dev && found.ino === source.ino;
  if (isLive || COMPANIONS.some((end) => path === live + end)) {
    throw new RelayError("conflict", `${file} is the database itself; name another file`);
  }
  if (found === undefined) return path;
  if (found.isDirectory()) throw new RelayError("conflict", `${file} is a folder; name a file in it`);
  // Whatever a relay has opened is in WAL mode from then on; a backup never is.
  const isInUse = COMPANIONS.some((end) => lstatSync(path + end, { throwIfNoEntry: false }) !== undefined);
  if (found.isFile() && isOurs(path) && (isInUse || isInWalMode(path))) {
    throw new RelayError("conflict", `${file} is the database of another relay, and no backup; name another file`);
  }
  if (!found.isFile() || !isOurs(path)) {
    throw new RelayError(
      "conflict",
      `${file} is there, and no backup of a relay: it is left as it is; name another file`,
    );
  }
  return path;
}

function realFolder(dir: string): string {
  try {
    const path = realpathSync(dir);
    if (statSync(path).isDirectory()) return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? `there is no folder ${dir} for the backup: make it, or name a file elsewhere`
        : `the folder ${dir} cannot be used: ${errorLine(error)}; name a file elsewhere`;
    throw new RelayError("not_found", why);
  }
  throw new RelayError("not_found", `${dir} is no folder`);
}

/** Whether a file is a relay's database, by its head alone (sqlite.org/fileformat2.html, 1.3: magic, application id). */
export function isOurs(path: string): boolean {
  const head = readHead(path);
  return head.toString("latin1", 0, 16) === "SQLite format 3\0" && head.readUInt32BE(68) === APPLICATION_ID;
}

/** Whether its journal is a log beside it (the same, 1.3.3: the version that may write it). */
function isInWalMode(path: string): boolean {
  return readHead(path)[18] === 2;
}

/** A hundred bytes; zeros where there are none. */
function readHead(path: string): Buffer {
  const head = Buffer.alloc(100);
  const handle = openSync(path, "r");
  try {
    readSync(handle, head, 0, head.length, 0);
  } finally {
    closeSync(handle);
  }
  return head;
}
