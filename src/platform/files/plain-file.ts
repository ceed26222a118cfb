import { closeSync, constants, existsSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Nothing that an operator writes by hand is larger, in bytes. */
const LARGEST = 2 ** 20;

/**
 * The bytes of a file of the operator's: a config, a secret, a certificate. What is none (a pipe would be waited for, for ever)
 * or is far too large throws one line; else the system's error.
 */
export function readPlainFile(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = fstatSync(file);
    if (found.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
    if (!found.isFile()) throw new Error("it is no regular file");
    if (found.size > LARGEST) throw new Error(`it is larger than ${LARGEST} bytes`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a folder and those above it that are missing, the owner's alone; one that is there is left as it is. Throws the
 * system's error. One by one: Node's own `recursive` never ends below a folder that lets nobody make one, as in /proc
 * (seen with Node 22 to 26).
 */
export function makeFolders(dir: string): void {
  const missing: string[] = [];
  for (let at = resolve(dir); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !existsSync(each)) throw error;
    }
  }
}
