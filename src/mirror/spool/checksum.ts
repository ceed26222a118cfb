import type { FileHandle } from "node:fs/promises";
import type { Following, Hasher } from "../../platform/files/hash-thread.ts";
import { sha256OfFile } from "../../platform/files/sha256.ts";

/** A smaller file is hashed on this thread, at its end: that costs less than the other thread. */
const WORTH_A_THREAD = 4 * 2 ** 20;

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

/** Hashes a large file at `path` on the hasher's thread during its download; a small one, and where that fails, at the end. */
export function startChecksum(hasher: Pick<Hasher, "follow">, path: string, signal: AbortSignal): Checksum {
  let following: Following | null = null;

  function follow(length: number): Following | null {
    if (length >= WORTH_A_THREAD) following ??= hasher.follow(path);
    return following;
  }

  const drop = () => following?.drop();
  return {
    written: (length) => follow(length)?.written(length),
    async end(file, length) {
      signal.throwIfAborted();
      signal.addEventListener("abort", drop, { once: true });
      try {
        return (await follow(length)?.sum(file, length)) ?? (await sha256OfFile(file.fd, signal, length));
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
