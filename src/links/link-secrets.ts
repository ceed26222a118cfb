import type { LinkSecret } from "../model/link-secret.ts";
import { isSignatureOf } from "./durable-link.ts";

/** The secrets as a relay holds them in memory. */
export type LinkSecrets = {
  /** The one that signs. */
  signing(): Uint8Array;
  /**
   * Whether `sig` is the key's by a secret that is valid now. Where it is by none that is held, they are read anew, as another
   * process may have made one; at most four times a second, because anyone may send a wrong one.
   */
  isSigned(key: string, sig: string): Promise<boolean>;
  /** Reads them anew. Rejects as the read does; what was held stays. */
  refresh(): Promise<void>;
};

/** Milliseconds between two reads that wrong signatures cause. */
const LOOK_EVERY = 250;

/** Holds `first`, and what is read anew. `read`: the secrets that the store has, the one that signs first. */
export function holdLinkSecrets(
  first: LinkSecret[],
  read: () => Promise<LinkSecret[]>,
  clock: { now(): number; elapsed(): number },
): LinkSecrets {
  let held = first;
  let begun = 0;
  let taken = 0;
  let look = { at: Number.NEGATIVE_INFINITY, done: Promise.resolve() };

  async function refresh(): Promise<void> {
    const mine = ++begun;
    const found = await read();
    // An answer may come after that of a later read.
    if (mine > taken) [held, taken] = [found, mine];
  }

  function isValid(key: string, sig: string): boolean {
    const now = clock.now();
    return held.some(({ secret, endsAt }) => (endsAt === null || endsAt > now) && isSignatureOf(secret, key, sig));
  }

  return {
    signing: () => held[0]!.secret,
    async isSigned(key, sig) {
      if (isValid(key, sig)) return true;
      // A request without a signature says nothing about secrets.
      if (sig === "") return false;
      if (clock.elapsed() - look.at >= LOOK_EVERY) look = { at: clock.elapsed(), done: refresh() };
      await look.done;
      return isValid(key, sig);
    },
    refresh,
  };
}
