import { sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import { AHEAD, pacedRoom } from "../rules/schedule.ts";

/** Between two looks for room, in milliseconds. */
const SHORTEST_WAIT = 5;

/** Spreads one relay's attempts at an endpoint evenly, in order of arrival. That of several is held by their claims. */
export type RateLimit = {
  /** How many more jobs may be claimed: whose turn comes soon. */
  room(): number;
  /** A job was claimed, and will ask for its turn. */
  enter(): void;
  /** It asks now, or never will. */
  leave(): void;
  /** Resolves when the job's turn has come, or the signal is aborted; undefined: at once. */
  turn(signal: AbortSignal): Promise<void> | undefined;
};

const UNLIMITED: RateLimit = { room: () => Number.POSITIVE_INFINITY, enter() {}, leave() {}, turn: () => undefined };

/** `onRoom` is called when there is room again, where none was found; not once the signal of the last turn is aborted. */
export function createRateLimit(ratePerSecond: number | null, clock: Clock, onRoom: () => void): RateLimit {
  if (ratePerSecond === null) return UNLIMITED;
  const gap = 1000 / ratePerSecond;
  /** This many are claimed at once, which makes a claim worth its commit. */
  const half = Math.ceil((Math.floor(AHEAD / gap) + 1) / 2);
  let nextStart = 0;
  /** Claimed jobs that have not asked for their turn yet. */
  let entered = 0;
  let isWaiting = false;
  /** There was no room when it was asked for. */
  let isWanted = false;
  let ending: AbortSignal | null = null;

  const free = () => Math.max(0, pacedRoom(nextStart, clock.elapsed(), gap) - entered);

  async function awaitRoom(signal: AbortSignal): Promise<void> {
    if (isWaiting) return;
    isWaiting = true;
    while (!signal.aborted && free() < half) {
      const at = nextStart + (half + entered - 1) * gap - AHEAD;
      await sleep(Math.max(SHORTEST_WAIT, at - clock.elapsed()), clock, signal);
    }
    isWaiting = false;
    isWanted = false;
    if (!signal.aborted) onRoom();
  }

  return {
    room() {
      const room = free();
      if (room === 0) {
        isWanted = true;
        if (ending !== null) void awaitRoom(ending);
      }
      return room;
    },
    enter: () => void entered++,
    leave: () => void entered--,
    turn(signal) {
      if (signal.aborted) return undefined;
      const now = clock.elapsed();
      const start = Math.max(now, nextStart);
      nextStart = start + gap;
      ending = signal;
      if (isWanted) void awaitRoom(signal);
      return start === now ? undefined : sleep(start - now, clock, signal);
    },
  };
}
