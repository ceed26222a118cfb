/** What a process remembers of the store between transactions; all of it can be read anew. */
export type Memory = {
  rings: Rings;
  /** Where the last scan of the hosts of downloads ended: the next one begins behind it, so that none is left out for ever. */
  lastHost: string;
};

/** Rows of one address, the oldest first; those before `from` have left. */
export type BodyQueue = { bytes: number; from: number; rows: { id: number; bytes: number }[] };

/** Who holds how much of a ring. */
export type HeldBodies = { total: number; newest: number; others: BodyQueue; bySource: Map<string, BodyQueue> };

/** `total`: the bytes that a ring holds; null: to be read. `held` is read once something has to leave. */
type FairRing = { total: number | null; held: HeldBodies | null };

/** The bounded parts of the quarantine, as far as they are in memory: the table has no index by address. */
export type Rings = {
  invalid: { total: number | null; left: number };
  refused: FairRing;
  inVain: FairRing;
};

export function createMemory(): Memory {
  const fair = () => ({ total: null, held: null });
  return { rings: { invalid: { total: null, left: 0 }, refused: fair(), inVain: fair() }, lastHost: "" };
}

/** What the rings hold may have been changed by others, or by a transaction that was undone. */
export function forgetSizes({ invalid, refused, inVain }: Rings): void {
  Object.assign(invalid, { total: null, left: 0 });
  for (const ring of [refused, inVain]) ring.total = null;
}
