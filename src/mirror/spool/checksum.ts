import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type Following, followFile } from "../../platform/files/hash-thread.ts";

const PIECE = 2 ** 20;

/** A smaller file is hashed on this thread, at its end: that costs less than a thread of its own. */
const WORTH_A_THREAD = 8 * 2 ** 20;

/** The sha256 of a file while it is downloaded. */
export type Checksum = {
  /** The first `length` bytes of the file are written. */
  written(length: number): void;
  /** The sha256 (hex) of the first `length` bytes. Throws the signal's reason, and where the file is shorter. */
  end(file: FileHandle, length: number): Promise<string>;
  /** A new file, still empty, has replaced the former one. */
  restart(): void;
  /** Stops the hashing. */
  drop(): void;
};

/** Hashes a large file at `path` on a thread during its download; a small one, and where that fails, at the end. */
export function startChecksum(
  path: string,
  signal: AbortSignal,
  startThread: typeof followFile = followFile,
): Checksum {
  let following: Following | null = null;

  function follow(length: number): Following | null {
    if (length >= WORTH_A_THREAD) following ??= startThread(path);
    return following;
  }

  const drop = () => following?.drop();
  return {
    written: (length) => follow(length)?.written(length),
    async end(file, length) {
      signal.throwIfAborted();
      signal.addEventListener("abort", drop, { once: true });
      try {
        return (await follow(length)?.sum(file, length)) ?? (await hashFile(file, length, signal));
      } finally {
        signal.removeEventListener("abort", drop);
      }
    },
    restart() {
      drop();
      following = null;
    },
    drop,
  };
}

/** The sha256 (hex) of the first `length` bytes of a file. The next piece is read while one is hashed. */
export async function hashFile(file: FileHandle, length: number, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const size = Math.min(PIECE, length);
  const pieces = [Buffer.alloc(size), Buffer.alloc(length > size ? size : 0)];
  const read = (at: number, turn: number) => file.read(pieces[turn % 2]!, 0, Math.min(size, length - at), at);
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
