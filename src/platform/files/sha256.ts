import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

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

/** The sha256 (hex) of a whole file: by its path, or by the descriptor of an open one, which stays open. */
export function sha256OfFile(file: string | number, signal?: AbortSignal): Promise<string> {
  const options = { start: 0, highWaterMark: PIECE, ...(signal && { signal }) };
  const isOpen = typeof file === "number";
  const stream = isOpen
    ? createReadStream("", { ...options, fd: file, autoClose: false })
    : createReadStream(file, options);
  return sha256Of(stream, signal);
}
