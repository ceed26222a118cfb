import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/** Bytes that are asked for again where only their being the same shows that a rest fits. */
export const OVERLAP = 64 * 1024;

/** Reads `expected.length` bytes from the start of a body: whether they are the same. Throws what the body throws. */
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
  // A copy: what writes the body releases the memory of its chunks.
  if (length > expected.length) body.unshift(Buffer.from(start.subarray(expected.length)));
  return start.subarray(0, expected.length).equals(expected);
}
