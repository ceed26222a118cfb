import type { LinkSecret } from "../../model/link-secret.ts";

/** The secrets behind `sig` in media links. They are in the database, and never leave it but for the relay that signs. */
export type LinkVerbs = {
  /** Those that are valid now, the one that signs first; none before the first was made. */
  linkSecrets(): Promise<LinkSecret[]>;
  /** The same. Where none was made, `secret` (32 random bytes) is the first. */
  ensureLinkSecret(secret: Uint8Array): Promise<LinkSecret[]>;
  /**
   * From now on `secret` signs. Links signed before are valid for `keep` milliseconds, unless they end sooner; 0: they end at
   * once. RelayError("conflict") where too many are valid.
   */
  rotateLinkSecret(rotation: { secret: Uint8Array; keep: number }, now: number): Promise<void>;
};
