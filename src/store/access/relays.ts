/** What a relay notes of itself for the others of its store. `config`: a digest of what they should all have alike. */
export type RelayNote = {
  host: string;
  version: string;
  config: string;
  /** It downloads media. */
  mirrors: boolean;
  startedAt: number;
};

/** A relay of a store that several work on; times are of the store's clock, in milliseconds. */
export type RelaySeen = RelayNote & { id: string; seenAt: number };

/** A medium whose file was in the spool of a relay that is gone, and that is downloaded again. */
export type TakenOver = { mediumId: string; videoId: string; relay: string };

/** How often a relay says that it lives, and how long one may be silent before it counts as gone; milliseconds. */
export const SAY_EVERY = 5_000;
export const GONE_AFTER = 120_000;

/** What several relays of a store know of each other. Where one has the store for itself, there is nothing to know. */
export type RelayVerbs = {
  /** Notes that this relay lives. `differing`: the hosts of others that live, with another `config`. */
  noteRelay(note: RelayNote): Promise<{ differing: string[] }>;
  /** Those that were seen within a day, this one too. */
  relays(): Promise<RelaySeen[]>;
  /**
   * Has media downloaded again whose file waits in the spool of a relay that is gone: silent for GONE_AFTER, or for less where
   * the link is about to die. Those whose link is dead wait for that relay, for a day. None is for GONE_AFTER of a new epoch.
   */
  takeOver(): Promise<TakenOver[]>;
};

/** For an engine that one relay has for itself. */
export const NO_OTHERS: RelayVerbs = {
  noteRelay: async () => ({ differing: [] }),
  relays: async () => [],
  takeOver: async () => [],
};
