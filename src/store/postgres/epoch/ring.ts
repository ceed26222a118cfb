import type { Received } from "../../store.ts";

/** What was answered with 2xx. `name`: of the event, for a repetition the first one's. `at`: by the clock's `elapsed`. */
export type Acknowledged = { name: string; videoId: string; received: Received; epoch: string; at: number };

/** How long a failover may have been behind, in milliseconds. */
export const KEPT = 60_000;

/** Bytes of bodies, and about what one takes beside its body. */
const MOST = 64 * 2 ** 20;
const EACH = 500;

export type Ring = {
  /** Gives how many it had to give up for that, the oldest first. */
  add(one: Acknowledged): number;
  all(): Acknowledged[];
  /** Those are as if they had been acknowledged now. */
  renew(some: ReadonlySet<Acknowledged>, now: Pick<Acknowledged, "epoch" | "at">): void;
  /** Forgets what was acknowledged up to then, by `elapsed`. */
  forget(upTo: number): void;
};

/** The last acknowledgements, in the order in which they were given. */
export function createRing(most = MOST): Ring {
  let kept: Acknowledged[] = [];
  /** What is before it was given up. */
  let first = 0;
  let bytes = 0;

  const sizeOf = ({ received }: Acknowledged) => received.body.length + EACH;

  function drop(): void {
    bytes -= sizeOf(kept[first]!);
    first++;
    if (first < 1_000 || 2 * first < kept.length) return;
    kept = kept.slice(first);
    first = 0;
  }

  function add(one: Acknowledged): number {
    kept.push(one);
    bytes += sizeOf(one);
    let dropped = 0;
    for (; bytes > most && first < kept.length; dropped++) drop();
    return dropped;
  }

  return {
    add,
    all: () => kept.slice(first),
    renew(some, now) {
      const rest = kept.slice(first).filter((one) => !some.has(one));
      kept = [...rest, ...[...some].map((one) => ({ ...one, ...now }))];
      first = 0;
      bytes = kept.reduce((sum, one) => sum + sizeOf(one), 0);
    },
    forget(upTo) {
      while (first < kept.length && kept[first]!.at <= upTo) drop();
    },
  };
}
