import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { lchown, lstat, mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { codeOf, RelayError } from "../../errors.ts";

/** True when it made the folder, false when it exists. Throws where anything else, also a symbolic link, has its name. */
export async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o750 });
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    if (!(await lstat(folder)).isDirectory())
      throw new RelayError("conflict", `${folder} is in the way: it is no folder`);
    return false;
  }
}

/**
 * Makes a folder and the missing ones above it, for the owner only; an existing one is left as it is. Throws the system's
 * error. One by one, because Node's `recursive` never ends below a folder in which none can be made, as in /proc (seen with
 * Node 22 to 26).
 */
export function makeFolders(dir: string): void {
  const missing: string[] = [];
  for (let at = resolve(dir); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      // Another process may have made it.
      if (codeOf(error) !== "EEXIST" || !existsSync(each)) throw error;
    }
  }
}

/** Makes a file's bytes durable. */
export async function syncFile(file: string): Promise<void> {
  // Windows syncs only what may be written; where a disk has become read-only, reading is all that is left.
  const handle = await open(file, "r+").catch((error) => {
    if (["EROFS", "EACCES", "EPERM"].includes(codeOf(error))) return open(file, "r");
    throw error;
  });
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder durable; where folders cannot be opened (Windows), renames are durable by themselves. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(nullWhereClosed);
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** As `syncFolder`, for work that must not wait. */
export function syncFolderSync(folder: string): void {
  let handle: number;
  try {
    handle = openSync(folder, "r");
  } catch (error) {
    nullWhereClosed(error);
    return;
  }
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** For `catch`: null where folders cannot be opened. */
function nullWhereClosed(error: unknown): null {
  if (["EPERM", "EISDIR", "EACCES"].includes(codeOf(error))) return null;
  throw error;
}

/** For `catch`: null where a name does not exist, or is a symbolic link that was not to be followed. */
export function nullWhereMissing(error: unknown): null {
  if (["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(error))) return null;
  throw error;
}

/**
 * Gives a file that root's command has made to the owner of the folder; other users cannot give files away, and need not. Of
 * a link the link itself changes its owner, never its target.
 */
export async function giveToOwnerOf(folder: string, path: string): Promise<void> {
  const { uid, gid } = await stat(folder);
  const made = await lstat(path).catch(nullWhereMissing);
  if (made !== null && made.uid !== uid) await lchown(path, uid, gid).catch(() => {});
}
