/** A commit takes at least and at most this many writes, so that none holds the others up for long. */
const FEWEST = 16;
const MOST = 256;

/** How long the statements of a commit may take, in milliseconds; on a slow disk as long as two syncs, so that they pay. */
const SHORTEST = 4;
const SYNCS = 2;

/** The weight of the newest commit in the averages. */
const WEIGHT = 0.1;

/**
 * How many writes a commit takes, by what the last ones took: the time of a commit is bounded, and the slower the disk the
 * larger are the commits.
 */
export function createBatchSize() {
  let perWrite = 0;
  let sync = 0;
  const follow = (average: number, newest: number) => average + WEIGHT * (newest - average);

  return {
    now(): number {
      if (perWrite === 0) return MOST;
      const fits = Math.floor(Math.max(SHORTEST, SYNCS * sync) / perWrite);
      return Math.min(MOST, Math.max(FEWEST, fits));
    },
    /** What a commit took for its statements and for its sync, in milliseconds. */
    learn({ writes, worked, synced }: { writes: number; worked: number; synced: number }): void {
      perWrite = follow(perWrite, worked / writes);
      sync = follow(sync, synced);
    },
  };
}
