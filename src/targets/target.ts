import { RelayError } from "../errors.ts";
import type { Clock, Log } from "../ports.ts";

/** What a target is given to know of a file. */
export type About = {
  contentType: string;
  bytes: number;
  sha256: string;
  eventId: string;
  videoId: string;
  replace: boolean;
  /**
   * An earlier attempt may have been killed in the middle, or the file has waited for long: what was left under this very key
   * is cleared first, and the file is proven anew.
   */
  again: boolean;
  /** Readable by the relay's user only. */
  isPrivate?: boolean;
};

/** What a media row may call a copy. */
export type CopyName = {
  target: string;
  key: string;
  /** It is the very same file or object; false: that cannot be ruled out. */
  isCertain: boolean;
};

/** What became of a `put`. */
export type Placed = "stored" | "exists-same" | "exists-different";

/** A key and what it holds; `modifiedAt` in milliseconds since 1970. */
export type Listed = { key: string; bytes: number; modifiedAt: number };

/** What a key holds, for a reader. */
export type Opened =
  /** A file of this machine. Whoever opened it closes it, or reads a stream of it to the end or cancels it. */
  | {
      is: "file";
      bytes: number;
      /** Milliseconds since 1970. */
      modifiedAt: number;
      /** Differs whenever the bytes differ. */
      tag: string;
      /** Bytes `start` to `end`, both included; an error where the file turns out shorter. Once only. */
      read(start: number, end: number): ReadableStream<Uint8Array>;
      close(): Promise<void>;
    }
  /** Somewhere else: an address that is good for some hours. */
  | { is: "elsewhere"; url: string };

/**
 * Where copies are kept. Keys are paths of one or more parts (`keys.ts`); one that could lead out of the target throws.
 * Whatever the target cannot do now (full, unreachable, not permitted) throws, and may be tried again.
 */
export type MirrorTarget = {
  /**
   * Keeps a copy of a local file, whole or not at all, and durably once it resolves. With `replace` what is there is
   * replaced at once for all readers; without, nothing that is there is ever touched: the answer tells whether its
   * sha256 (hex) is the same. The file stays as it is, and is not written to while the target may share it by a hard link.
   * Throws SpoolChanged where it is found not to be what `about` says.
   */
  put(key: string, file: string, about: About, signal: AbortSignal): Promise<Placed>;
  /** The size of what the key holds; null: nothing. */
  head(key: string): Promise<{ bytes: number } | null>;
  /** Removes what the key holds; nothing being there is fine. Once the signal is aborted, nothing is begun any longer. */
  delete(key: string, signal?: AbortSignal): Promise<void>;
  /** Opens what the key holds for a reader who asks by `method`. A copy that is replaced or deleted meanwhile is still read whole. */
  open(key: string, method: "GET" | "HEAD"): Promise<Opened | null>;
  /** All bytes of what the key holds; null: nothing. Whoever asked reads to the end, or ends the iteration. */
  read(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null>;
  /** What lies right below this folder, in no order; nothing where there is no such folder. */
  list(folder: string, signal?: AbortSignal): Promise<Listed[]>;
  /** What its work so far has shown that an operator should know, one line each. */
  oddities(): Promise<string[]>;
  /** Ends its connections; it is not used afterwards. */
  close(): Promise<void>;
};

/**
 * What an adapter may do to its target when it opens it: `own`: it is this relay's, made where it is missing, and what a
 * crash left on its way is cleared; `shared`: another process may be at work in it, so nothing is made or cleared; `former`:
 * it was this relay's once, and the same holds.
 */
export type Access = "own" | "shared" | "former";

/** What an adapter is given. Access is `own` by default. */
export type Opening = { access?: Access; clock?: Clock; log?: Pick<Log, "info" | "warn"> };

/** A spooled file is not what it was when it was proven: it has to be downloaded again. */
export class SpoolChanged extends Error {
  override readonly name = "SpoolChanged";
}

/** The parts of a key: what `object-keys.ts` makes, and nothing that a file system or a store takes for anything but a name. */
const KEY_PART = /^[\w~-][\w.~-]{0,254}$/;

export const isKeyPart = (part: string) => KEY_PART.test(part);

/** Throws for a key that could lead out of a target: no id from the network does. */
export function partsOfKey(key: string): string[] {
  const parts = key.split("/");
  if (parts.every(isKeyPart)) return parts;
  throw new RelayError("internal", `${JSON.stringify(key)} is no key of a mirrored file`);
}
