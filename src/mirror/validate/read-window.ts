import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";

/** Bytes per read: neighbouring small structures come with one read. */
const WINDOW = 16 * 1024;

/** Reads a few bytes (at most 16 KiB) of a file, fewer at its end. The buffer is valid until the next read. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** Reads through a window of 16 KiB, for mostly forward walks over a file's structure. */
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

/** At most `length` bytes from a position in a file, in a buffer of their own. */
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
