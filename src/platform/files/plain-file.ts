import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

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
