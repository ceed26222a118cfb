import type { Random } from "../../../src/ports.ts";

/** An app that goes away for a while, now and then. */
export type Spells = {
  /** Whether it is away just now: asked at each request, which begins a spell when its time has come. */
  isAway(): boolean;
  /** It took a request: the next spell comes some time after the first that it takes. */
  tookOne(): void;
  /** From now on it stays. */
  end(): void;
  count(): number;
};

/** A spell is seen as the endpoint's after this many requests; it ends after that, and some time, in milliseconds. */
const SEEN_AFTER = 12;
const SHORTEST = 200;
const LONGEST = 3_000;

/** The first one comes with the first request. */
export function createSpells(random: Random): Spells {
  let begun: number | null = null;
  let next: number | null = 0;
  let refused = 0;
  let spells = 0;
  let isOver = false;
  return {
    isAway() {
      const now = performance.now();
      if (begun === null && next !== null && now >= next && !isOver) {
        begun = now;
        next = null;
        refused = 0;
        spells++;
      }
      if (begun === null) return false;
      refused++;
      const lasted = now - begun;
      const isDone = refused > SEEN_AFTER && lasted > SHORTEST + random.float() * 1_000;
      if (!isDone && lasted < LONGEST && !isOver) return true;
      begun = null;
      return false;
    },
    tookOne() {
      if (begun === null && next === null) next = performance.now() + 500 + random.float() * 4_000;
    },
    end() {
      isOver = true;
    },
    count: () => spells,
  };
}
