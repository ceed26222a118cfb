import type { Clock } from "../../../ports.ts";

/** A measurement that took longer says too little, in milliseconds. */
const LONGEST_ROUND_TRIP = 200;

/** A smaller change corrects the clock, and sets it neither back nor forward; milliseconds. */
const LEAST_JUMP = 1_000;

export type ServerClock = {
  /** Tells the database's time; what has elapsed is the process's. */
  clock: Clock;
  /** When the server was asked, when it answered (both by `elapsed`), and the time it gave. */
  measured(asked: number, answered: number, now: number): void;
  /** Calls back, one, when the server's clock was set by that many milliseconds (negative: back); at once for what came before. */
  onJump(listener: (ms: number) => void): void;
};

/**
 * The database's time, for all relays of a store the same, however wrong their own clocks are. It goes on by what elapses
 * here. The server looked at its clock somewhere between question and answer: the first time half-way is assumed, and later
 * the clock is moved only where it cannot be right, and then by no more than it must.
 */
export function createServerClock(local: Clock): ServerClock {
  /** What is added to what has elapsed; null: not measured yet. */
  let offset: number | null = null;
  const early: number[] = [];
  let report: (ms: number) => void = (ms) => early.push(ms);

  return {
    clock: {
      now() {
        if (offset === null) throw new Error("the database's time was asked for before it was known");
        return Math.floor(local.elapsed() + offset);
      },
      elapsed: local.elapsed,
      after: local.after,
    },
    measured(asked, answered, now) {
      const [least, most] = [now - answered, now - asked];
      if (offset === null) {
        offset = (least + most) / 2;
        return;
      }
      if (answered - asked > LONGEST_ROUND_TRIP) return;
      const before = offset;
      offset = Math.min(Math.max(offset, least), most);
      const jump = Math.round(offset - before);
      if (Math.abs(jump) >= LEAST_JUMP) report(jump);
    },
    onJump(listener) {
      report = listener;
      for (const ms of early.splice(0)) report(ms);
    },
  };
}
