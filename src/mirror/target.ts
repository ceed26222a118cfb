import type { Config } from "../config.ts";
import { openLocalTarget } from "./local.ts";

/** What became of a `put`. */
export type Placed = "stored" | "exists-same" | "exists-different";

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
  /** Somewhere else: an address that is good for a few minutes. */
  | { is: "elsewhere"; url: string };

/**
 * Where copies are kept. Keys are paths of one or more parts (`keys.ts`); one that could lead out of the target throws.
 * Whatever the target cannot do now (full, unreachable, not permitted) throws, and may be tried again.
 */
export type MirrorTarget = {
  /**
   * Keeps a copy of a local file, whole or not at all, and durably once it resolves. With `replace` what is there is
   * replaced at once for all readers; without, nothing that is there is ever touched: the answer tells whether its
   * sha256 (hex) is the same. The file may be moved; what is left of it the caller removes.
   */
  put(
    key: string,
    file: string,
    meta: { contentType: string; sha256: string; replace: boolean },
    signal: AbortSignal,
  ): Promise<Placed>;
  /** The size of what the key holds; null: nothing. */
  head(key: string): Promise<{ bytes: number } | null>;
  /** Removes what the key holds; nothing being there is fine. */
  delete(key: string): Promise<void>;
  /** Opens what the key holds for reading; null: nothing. A copy that is replaced or deleted meanwhile is still read whole. */
  open(key: string): Promise<Opened | null>;
};

type TargetConfig = Config["mirror"]["target"];

/** One adapter for each target that a config can name: an option without its adapter does not compile. */
const openers: {
  [Type in TargetConfig["type"]]: (config: Extract<TargetConfig, { type: Type }>) => Promise<MirrorTarget>;
} = {
  local: (config) => openLocalTarget(config),
};

/** Opens the configured target. Throws what its adapter throws where it cannot be used. */
export function openTarget<Type extends TargetConfig["type"]>(
  config: Extract<TargetConfig, { type: Type }>,
): Promise<MirrorTarget> {
  return openers[config.type as Type](config);
}
