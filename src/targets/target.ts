import { RelayError } from "../errors.ts";
import type { Clock, Log } from "../ports.ts";

/** What a target needs to know of a file. */
export type About = {
  contentType: string;
  bytes: number;
  sha256: string;
  eventId: string;
  videoId: string;
  replace: boolean;
  /**
   * An earlier attempt may have been killed, or the file has waited for long: whatever was left under this key is
   * cleared first, and the file is proven again.
   */
  again: boolean;
  /**
   * Other relays may have begun to put this key, and hang: what they have begun is ended first, and this is begun so that
   * it can be ended.
   */
  isShared?: boolean;
  /** Readable by the relay's user only. */
  isPrivate?: boolean;
  /** Called between pieces of what is copied, with the bytes of the piece before, and awaited. */
  pace?(bytes: number, signal: AbortSignal): Promise<void>;
};

/** A name that a media row may have for a copy. */
export type CopyName = {
  target: string;
  key: string;
  /** It is the same file or object; false: it may be. */
  isCertain: boolean;
};

/** The result of a `put`. */
export type Placed = "stored" | "exists-same" | "exists-different";

/** A key and what it holds; `modifiedAt` in milliseconds since 1970. */
export type Listed = { key: string; bytes: number; modifiedAt: number };

/** What a key holds, for a reader. */
export type Opened =
  /** A file that this process reads. The caller closes it, or reads a stream of it to the end or cancels it. */
  | {
      is: "file";
      bytes: number;
      /** Milliseconds since 1970. */
      modifiedAt: number;
      /** Differs whenever the bytes differ. */
      tag: string;
      /** Bytes `start` to `end`, both included, once; an error where the file is shorter. */
      read(start: number, end: number): ReadableStream<Uint8Array>;
      close(): Promise<void>;
    }
  /** An address elsewhere, valid for `lasts` milliseconds: some hours. */
  | { is: "elsewhere"; url: string; lasts: number };

/**
 * Where copies are kept. Keys are paths of one or more parts (mirror/upload/object-keys.ts); `partsOfKey` refuses
 * others. Whatever is impossible now (full, unreachable, not permitted) throws, and may be retried.
 */
export type MirrorTarget = {
  /**
   * Keeps a copy of a local file, whole or not at all, durable when it resolves. With `replace` an existing copy is
   * replaced at once for all readers. Without, it is left as it is, and the answer tells whether its sha256 (hex) is
   * the same. The file is not changed, and must not be written to afterwards: the target may share it by a hard link.
   * Throws SpoolChanged where the file does not match `about`.
   */
  put(key: string, file: string, about: About, signal: AbortSignal): Promise<Placed>;
  /** The size of what the key holds; null: nothing. */
  head(key: string): Promise<{ bytes: number } | null>;
  /** Removes what the key holds, if anything. Begins nothing once the signal is aborted. */
  delete(key: string, signal?: AbortSignal): Promise<void>;
  /**
   * Opens what the key holds for a reader's `method`. A copy that is replaced or deleted meanwhile is still read whole.
   */
  open(key: string, method: "GET" | "HEAD"): Promise<Opened | null>;
  /** All bytes of what the key holds; null: nothing. The caller reads to the end, or ends the iteration. */
  read(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | null>;
  /** The path of the file that the key holds, only to be read; null: it holds nothing, or no file of this machine. */
  file(key: string): Promise<string | null>;
  /** The keys directly below this folder, in no order; empty where there is no such folder. */
  list(folder: string, signal?: AbortSignal): Promise<Listed[]>;
  /** What an operator should know of its work so far, one line each. */
  oddities(): Promise<string[]>;
  /** Ends its connections. Nothing may be called afterwards. */
  close(): Promise<void>;
};

/**
 * What opening a target may change. `own`: it is this relay's: it is made where it is missing, and leftovers of a crash
 * are cleared. `joint`: several relays have it: it is made where it is missing, and what another one has under way is not cleared.
 * `shared`: another process may use it, so nothing is made or cleared. `former`: a former target of this relay, where nothing is
 * made or cleared either.
 */
export type Access = "own" | "joint" | "shared" | "former";

/** How a target is opened; `access` is `own` by default. */
export type Opening = { access?: Access; clock?: Clock; log?: Pick<Log, "info" | "warn"> };

/** A spooled file has changed since it was proven: it must be downloaded again. */
export class SpoolChanged extends Error {
  override readonly name = "SpoolChanged";
}

/** The parts of a key, as object-keys.ts makes them: plain names for every file system and store. */
const KEY_PART = /^[\w~-][\w.~-]{0,254}$/;

export const isKeyPart = (part: string) => KEY_PART.test(part);

/** The parts of a key. Throws for a key that could lead out of the target: ids in keys come from the network. */
export function partsOfKey(key: string): string[] {
  const parts = key.split("/");
  if (parts.every(isKeyPart)) return parts;
  throw new RelayError("internal", `${JSON.stringify(key)} is no key of a mirrored file`);
}
