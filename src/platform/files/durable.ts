import { lstat, mkdir, open } from "node:fs/promises";
import { RelayError } from "../../errors.ts";

/** True when it made the folder; throws where something else has its name, a symbolic link too. */
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
  const handle = await open(folder, "r").catch((error) => {
    if (["EPERM", "EISDIR", "EACCES"].includes(codeOf(error))) return null;
    throw error;
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** For `catch`: null where a name does not exist, or is a symbolic link that was not to be followed. */
export function nullWhereMissing(error: unknown): null {
  if (["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(error))) return null;
  throw error;
}

/** A system error's code, or "". */
export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? "");
}
