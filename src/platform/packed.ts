/** What the build adds to the bundle (scripts/bundle.ts). */
export type Packed = {
  /** The whole commit; with "-dirty" where the sources were changed since. "unknown": built outside of a checkout. */
  commit: string;
  /** SHA-256 of the lock file, hex: every library, and the Node. */
  lockfile: string;
  /** The version of the SQLite in the addon. */
  sqlite: string;
  addon: PackedAddon;
  /** The program of a thread, as text. */
  thread(name: string): string;
};

/** SQLite's native addon: a library for one system and processor. */
export type PackedAddon = {
  /** Hex, of the unpacked bytes. */
  sha256: string;
  unpack(): Uint8Array;
};

/** Null from source, where the addon is in its package. The build replaces this file. */
export const packed = null as Packed | null;
