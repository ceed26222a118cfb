import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** The largest file that is read, in bytes: files written by hand are smaller. */
const LARGEST = 2 ** 20;

/**
 * The bytes of a file that the operator wrote: a config, a secret, a certificate. Throws one line for what is no regular file
 * (a read from a pipe would never end) or is too large, else the system's error.
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
