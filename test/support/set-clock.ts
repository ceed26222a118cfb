import type { Clock } from "../../src/ports.ts";

/** A clock that is set to another time while it runs: what has elapsed is not changed by it. */
export type SetClock = Clock & {
  /** From now on it is so many milliseconds ahead of (or, negative, behind) the right time. */
  setAhead(ms: number): void;
};

export function setClock(right: Clock): SetClock {
  let ahead = 0;
  return {
    now: () => right.now() + ahead,
    elapsed: right.elapsed,
    after: right.after,
    setAhead(ms) {
      ahead = ms;
    },
  };
}
