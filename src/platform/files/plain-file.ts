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

/** The text of such a file, without a byte order mark. Throws one line also for UTF-16, which Windows calls "Unicode". */
export function readPlainText(path: string): string {
  const bytes = readPlainFile(path);
  // Without a mark, ASCII in UTF-16 has a zero in each pair of bytes.
  const isUtf16 = /^(?:\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0)/s.test(bytes.toString("latin1", 0, 2));
  if (isUtf16) throw new Error("it is UTF-16: save it as UTF-8");
  return bytes.toString("utf8").replace(/^\uFEFF/, "");
}
