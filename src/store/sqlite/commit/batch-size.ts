/** A commit takes at least and at most this many writes, so that none holds the others up for long. */
const FEWEST = 16;
const MOST = 256;

/** How long the statements of a commit may take, in milliseconds; on a slow disk as long as two syncs. */
const SHORTEST = 4;
const SYNCS = 2;

/** The weight of the newest commit in the averages. */
const WEIGHT = 0.1;

/**
 * How many writes a commit takes, by what the last ones took. The time of a commit is bounded, and its statements take at
 * least as long as its sync. Between the two it takes half of what is on its way: while that is committed the other half is
 * answered and read, where otherwise the event loop and the disk would take turns.
 */
export function createBatchSize() {
  let perWrite = 0;
  let sync = 0;
  let last = 0;
  const follow = (average: number, newest: number) => average + WEIGHT * (newest - average);

  return {
    /** `waiting`: how many writes wait. */
    now(waiting: number): number {
      if (perWrite === 0) return MOST;
      const half = Math.ceil((waiting + last) / 2);
      const worth = Math.ceil(sync / perWrite);
      const fits = Math.floor(Math.max(SHORTEST, SYNCS * sync) / perWrite);
      return Math.max(FEWEST, Math.min(MOST, fits, Math.max(half, worth)));
    },
    /** What a commit took for its statements and for its sync, in milliseconds. */
    learn({ writes, worked, synced }: { writes: number; worked: number; synced: number }): void {
      perWrite = follow(perWrite, worked / writes);
      sync = follow(sync, synced);
      last = writes;
    },
  };
}
