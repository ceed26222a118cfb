import type { ConfigInput } from "../../../src/config/schema.ts";

/** Somewhere copies are kept, and the plain tool that people would otherwise use to get them there. */
export type Place = {
  /** What the relay is told of it. */
  target: NonNullable<ConfigInput["mirror"]>["target"];
  /** The baseline: copies all of these at once; durable, or confirmed, once it resolves. `dir` is there for its files. */
  copyPlainly(urls: string[], dir: string): Promise<void>;
  /** The sha256 (hex) of what a relay whose folder is `dir` keeps here under a key. */
  sha256Of(key: string, dir: string): Promise<string>;
  /** Removes what either side has left here, so that the next one finds it as this one did. */
  clear(): Promise<void>;
  close(): Promise<void>;
};
