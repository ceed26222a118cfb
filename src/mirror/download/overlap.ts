import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/** Bytes that are requested again where only comparing them shows that a rest belongs to the same file. */
export const OVERLAP = 64 * 1024;

/** Reads `expected.length` bytes from a body and compares them. Throws what the body throws. */
export async function beginsWith(body: Readable, expected: Uint8Array): Promise<boolean> {
  const chunks: Buffer[] = [];
  let length = 0;
  const iterator = body.iterator({ destroyOnReturn: false });
  while (length < expected.length) {
    const { done, value } = await iterator.next();
    if (done) return false;
    chunks.push(value);
    length += value.length;
  }
  await iterator.return?.();
  const start = Buffer.concat(chunks);
  // A copy, because `writeBody` releases the memory of its chunks.
  if (length > expected.length) body.unshift(Buffer.from(start.subarray(expected.length)));
  return start.subarray(0, expected.length).equals(expected);
}
