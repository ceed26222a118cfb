import type { FileHandle } from "node:fs/promises";
import type { Following, Hasher } from "../../platform/files/hash-thread.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";

/** A smaller file is hashed on this thread, at its end: that costs less than the other thread. */
const WORTH_A_THREAD = 4 * 2 ** 20;

/**
 * The sha256 of the file at `path` while it is downloaded: a large one is hashed on the hasher's thread during its download, a
 * small one, and where that fails, at the end.
 */
export function startChecksum(hasher: Pick<Hasher, "follow">, path: string, signal: AbortSignal) {
  let following: Following | null = null;

  function follow(length: number): Following | null {
    if (length >= WORTH_A_THREAD) following ??= hasher.follow(path);
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
