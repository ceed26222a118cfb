/** What a process remembers of the store between transactions; all of it can be read anew. */
export type Memory = {
  rings: Rings;
  /** Where the last scan of the hosts of downloads ended: the next one begins behind it, so that none is left out for ever. */
  lastHost: string;
};

/** How many bytes a ring holds, and how many of them in events of each address. */
export type HeldBodies = { total: number; bySource: Map<string, number> };

/** The bounded parts of the quarantine; null: to be read. */
export type Rings = Record<"invalid" | "refused" | "inVain", HeldBodies | null>;

export function createMemory(): Memory {
  return { rings: { invalid: null, refused: null, inVain: null }, lastHost: "" };
}

/** What the rings hold may have been changed by others, or by a transaction that was undone. */
export function forgetSizes(rings: Rings): void {
  Object.assign(rings, createMemory().rings);
}
