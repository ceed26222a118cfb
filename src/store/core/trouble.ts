import type { Clock } from "../../ports.ts";

/** Shorter trouble (another process's commit, a failover, room that a reserve makes) is not reported; milliseconds. */
const WORTH_TELLING = 1_000;

/** While there is trouble a probe is made this often, in milliseconds. */
const PROBE_EVERY = 5_000;

/** Trouble may have several causes by turns: another one is reported this much later at the earliest, in milliseconds. */
const SAY_EVERY = 5_000;

/** Before a commit is tried again, in milliseconds. */
const PAUSES = [2, 5, 10, 25, 50, 100, 250];

/** `failures`: how many commits have failed in a row before the last one. */
export const pauseAfter = (failures: number): number => PAUSES[Math.min(failures, PAUSES.length - 1)]!;

export type Trouble = {
  /** What is wrong; null: nothing. */
  now(): string | null;
  /** A commit has failed. `isSerious`: that is reported at once, and not only where it goes on. */
  failed(line: string, isSerious: boolean): void;
  /** A commit has not failed. */
  committed(): void;
  /** The trouble is over, where there was any. */
  recovered(): void;
  /** There is trouble, whatever else is known. */
  say(line: string): void;
  /** Nothing is probed any longer. */
  giveUp(): void;
};

/** What is wrong with a store while its commits fail, and when that is over. */
export function createTrouble({
  clock,
  onTrouble,
  probe,
}: {
  clock: Clock;
  /** Trouble begins, or has another cause; null: it is over. */
  onTrouble(error: string | null): void;
  /** Commits something; where that succeeds `recovered` is called. */
  probe(): Promise<unknown>;
}): Trouble {
  let trouble: string | null = null;
  let failingSince: number | null = null;
  let isGivenUp = false;
  let cancelProbe = () => {};
  let saidAt = 0;

  /** With no event and no job on its way, nothing else would find out that the trouble is over. */
  function probeLater(): void {
    cancelProbe();
    if (isGivenUp) return;
    cancelProbe = clock.after(PROBE_EVERY, () => {
      probe()
        .catch(() => {})
        .finally(() => trouble !== null && probeLater());
    });
  }

  function say(line: string): void {
    if (trouble === line) return;
    const isNew = trouble === null;
    trouble = line;
    if (isNew) probeLater();
    const now = clock.elapsed();
    if (!isNew && now - saidAt < SAY_EVERY) return;
    saidAt = now;
    onTrouble(line);
  }

  return {
    now: () => trouble,
    say,
    failed(line, isSerious) {
      const now = clock.elapsed();
      failingSince ??= now;
      if (isSerious || now - failingSince >= WORTH_TELLING) say(line);
    },
    committed() {
      failingSince = null;
    },
    recovered() {
      cancelProbe();
      if (trouble === null) return;
      trouble = null;
      onTrouble(null);
    },
    giveUp() {
      isGivenUp = true;
      cancelProbe();
    },
  };
}
