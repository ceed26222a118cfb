import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

const PIECE = 2 ** 20;

/** The sha256 (hex) of the first `length` bytes of a file, read once, in order; the next piece is read while one is hashed. */
export async function hashFile(file: FileHandle, length: number, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const pieces = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)];
  const read = (at: number, turn: number) => file.read(pieces[turn % 2]!, 0, Math.min(PIECE, length - at), at);
  let next = read(0, 0);
  for (let at = 0, turn = 0; at < length; turn++) {
    const { bytesRead, buffer } = await next;
    signal.throwIfAborted();
    if (bytesRead === 0) throw new Error(`the file ends at ${at}, ${length - at} bytes early`);
    at += bytesRead;
    if (at < length) next = read(at, turn + 1);
    hash.update(buffer.subarray(0, bytesRead));
  }
  return hash.digest("hex");
}
