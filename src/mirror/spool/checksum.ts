import type { FileHandle } from "node:fs/promises";
import { type Following, followFile } from "../../platform/files/hash-thread.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";

/** A smaller file is hashed on this thread, at its end: that costs less than a thread of its own. */
const WORTH_A_THREAD = 8 * 2 ** 20;

/**
 * The sha256 of the file at `path` while it is downloaded: a large one is hashed on a thread during its download, a
 * small one, and where that fails, at the end.
 */
export function startChecksum(path: string, signal: AbortSignal, startThread: typeof followFile = followFile) {
  let following: Following | null = null;

  function follow(length: number): Following | null {
    if (length >= WORTH_A_THREAD) following ??= startThread(path);
    return following;
  }

  const drop = () => following?.drop();
  return {
    /** Stops the hashing. */
    drop,
    /** The first `length` bytes of the file are written. */
    written: (length: number) => follow(length)?.written(length),
    /** The sha256 (hex) of the first `length` bytes. Throws the signal's reason, and where the file is shorter. */
    async end(file: FileHandle, length: number): Promise<string> {
      signal.throwIfAborted();
      signal.addEventListener("abort", drop, { once: true });
      try {
        return (await follow(length)?.sum(file, length)) ?? (await sha256OfFile(file.fd, signal, length));
      } finally {
        signal.removeEventListener("abort", drop);
      }
    },
    /** A new file, still empty, has replaced the former one. */
    restart(): void {
      drop();
      following = null;
    },
  };
}
