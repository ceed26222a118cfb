import { closeSync, constants, copyFileSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf, errorLine, RelayError } from "../../errors.ts";
import { giveToOwnerOf, makeFolders, syncFolderSync } from "../../platform/files/file-system.ts";

export type NewFile = { path: string; content: string };

/**
 * Writes files of one folder that are not there yet, for the owner only; the folder is made where it is missing. Each gets its
 * name once it is whole, the last one last. RelayError("conflict") where one is there; then, and after any other error, none of
 * them is. `mark` makes the names of what is not whole yet.
 */
export async function writeNew(files: NewFile[], mark: string): Promise<void> {
  const folder = dirname(files[0]!.path);
  const parts = files.map(({ path }) => `${path}.${mark}`);
  const named: string[] = [];
  try {
    makeFolders(folder);
    for (const [at, { content }] of files.entries()) writeWhole(parts[at]!, content);
    for (const [at, { path }] of files.entries()) {
      giveName(parts[at]!, path);
      named.push(path);
    }
  } catch (error) {
    named.forEach(remove);
    if (error instanceof RelayError) throw error;
    throw new RelayError("conflict", `cannot write to ${folder}: ${errorLine(error)}`);
  } finally {
    parts.forEach(remove);
  }
  syncFolderSync(folder);
  for (const path of named) await giveToOwnerOf(folder, path);
}

/** What was wrong before is what is reported. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

function writeWhole(path: string, content: string): void {
  const handle = openSync(path, "wx", 0o600);
  try {
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A second name is refused where it is taken; a rename would take its place. */
function giveName(part: string, path: string): void {
  try {
    try {
      linkSync(part, path);
    } catch (error) {
      if (codeOf(error) === "EEXIST") throw error;
      // Some file systems know no second names.
      copyFileSync(part, path, constants.COPYFILE_EXCL);
    }
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    throw new RelayError("conflict", `${path} is there already, and is left as it is: nothing was written`);
  }
}
