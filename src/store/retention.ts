import type { Expiry, Pruned } from "../model/retention.ts";

/** The room that a store takes, in bytes. `free`: the part of it that is empty; `givesBack`: it can shrink while it is used. */
export type Space = { bytes: number; free: number; givesBack: boolean };

/** Retention (CONTRACT, "Retention"), in pieces that hold no other writer up. */
export type RetentionVerbs = {
  /**
   * Prunes some of what has ended before the times of `wish`: at most `limit` events, or attempts. One at a time is at it:
   * null while another than `by` is, who has called within `leaseFor` milliseconds; `takes`: then it is this one's from now on.
   */
  prune(
    wish: Expiry & { limit: number; by: string; leaseFor: number; takes?: boolean },
    now: number,
  ): Promise<(Pruned & { isMore: boolean }) | null>;
  /** Counts some of what `prune` would take. `from`: null, or the `next` of the count before; null there: it was the last part. */
  countPrunable(expiry: Expiry, from: string | null): Promise<Pruned & { next: string | null }>;
  /** When the oldest event was stored that `prune` has not looked at yet; null: there is none. */
  oldestBody(): Promise<number | null>;
  space(): Promise<Space>;
  /** Gives about this many free bytes back to the disk; nothing where the store cannot. */
  giveBack(bytes: number): Promise<void>;
};
