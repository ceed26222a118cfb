import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  statSync,
} from "node:fs";
import { RelayError } from "../../../errors.ts";

// Root's commands work in a folder that belongs to the relay's user, who may have put links there: none is followed.

/** Windows has no such flag (nodejs.org/api/fs.html#file-open-constants). */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/**
 * Gives a file to the owner of its folder: root's commands leave nothing that the relay cannot use. Other users may not change
 * owners, and need not. It is done by the handle: another file may have the name by now.
 */
export function giveToOwnerOf(dir: string, handle: number): void {
  const { uid, gid } = statSync(dir);
  if (fstatSync(handle).uid !== uid) orNotAllowed(() => fchownSync(handle, uid, gid));
}

/**
 * Makes sure that there is such a file in the folder: no link, of the folder's owner, and accessible to the owner alone.
 * One that is there is not opened (closing it would give up SQLite's locks on it, sqlite.org/howtocorrupt.html, 2.2).
 * RelayError("conflict") where a link, or something that is no file, is in its place.
 */
export function ensureOwnFile(dir: string, path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false }) ?? make(dir, path);
  if (found === undefined) return;
  if (found.isSymbolicLink() || !found.isFile() || found.nlink > 1) {
    const what = found.isFile() || found.isSymbolicLink() ? "a link" : "no file";
    throw new RelayError(
      "conflict",
      `${path} is ${what}: nothing is done with it; see who put it there, and remove it`,
    );
  }
  const { uid, gid } = statSync(dir);
  if (found.uid !== uid) orNotAllowed(() => lchownSync(path, uid, gid));
  if ((found.mode & 0o077) === 0) return;
  const handle = openSync(path, constants.O_RDWR | NO_FOLLOW);
  try {
    fchmodSync(handle, 0o600);
  } finally {
    closeSync(handle);
  }
}

/** Makes it; what another process was quicker to put there is given back. */
function make(dir: string, path: string) {
  let handle: number;
  try {
    // It follows no link (open(2), O_EXCL).
    handle = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return lstatSync(path, { throwIfNoEntry: false });
    throw error;
  }
  try {
    fchmodSync(handle, 0o600);
    giveToOwnerOf(dir, handle);
  } finally {
    closeSync(handle);
  }
}

function orNotAllowed(give: () => void): void {
  try {
    give();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  }
}
