import { createHash } from "node:crypto";
import { createReadStream, read } from "node:fs";
import { promisify } from "node:util";

const readAt = promisify(read);

/** How much of a file is read at a time, in bytes. */
const PIECE = 2 ** 20;

/** The sha256 (hex) of all the bytes that come. Rejects with the signal's reason when that is aborted. */
export async function sha256Of(bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return hash.digest("hex");
}

/**
 * The sha256 (hex) of a file: by its path, or by the descriptor of an open one, which stays open. `length`: of an open file only
 * its first bytes; throws where it has fewer.
 */
export function sha256OfFile(file: string | number, signal?: AbortSignal, length?: number): Promise<string> {
  if (typeof file === "number") return sha256Of(bytesOf(file, length ?? Number.POSITIVE_INFINITY), signal);
  return sha256Of(createReadStream(file, { highWaterMark: PIECE, ...(signal && { signal }) }), signal);
}

/** By position: a stream that is aborted closes its descriptor, also without `autoClose`. */
async function* bytesOf(descriptor: number, length: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.allocUnsafe(Math.min(PIECE, length));
  for (let at = 0; at < length; ) {
    const { bytesRead } = await readAt(descriptor, piece, 0, Math.min(PIECE, length - at), at);
    if (bytesRead === 0 && length === Number.POSITIVE_INFINITY) return;
    if (bytesRead === 0) throw new Error(`the file ends at ${at}, ${length - at} bytes early`);
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}
