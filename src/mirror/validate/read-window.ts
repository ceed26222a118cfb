import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";

/** Bytes per read: small structures that stand side by side come with one read. */
const WINDOW = 16 * 1024;

/** Reads a few bytes (at most 16 KiB) anywhere in a file; fewer at its end. The bytes are good until the next read. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** For walks over the structure of a file, forwards for the most part: reads through a window of 16 KiB. */
export function openWindow(file: FileHandle): ReadAt {
  const window = Buffer.alloc(WINDOW);
  let start = 0;
  let filled = 0;
  return async (position, length) => {
    if (position < start || position + length > start + filled) {
      filled = await fill(file, window, position);
      start = position;
    }
    return window.subarray(position - start, Math.min(position - start + length, filled));
  };
}

/** At most `length` bytes from a place in a file, in memory of their own. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, await fill(file, buffer, position));
}

async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
