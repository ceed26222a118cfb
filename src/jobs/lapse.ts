import { every } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";

/**
 * How often leases are looked at that could not be renewed, and how long before its end work on it ends, in milliseconds: a job
 * may have been claimed ahead of its slot (ahead.ts), and what is under way takes a moment to end.
 */
const LOOK_EVERY = 500;
const MARGIN = 3_000;

/**
 * The ends of leases, by what elapses here. What is not renewed in time another relay takes up: it is not worked on at two
 * places. A relay that is alone goes on.
 */
export function createLapse({ shared }: Pick<Store, "shared">, clock: Clock) {
  return {
    /** `until`: when the lease ends, by `clock.elapsed`, as far as the store has said. */
    isOver: (until: number): boolean => shared !== null && clock.elapsed() >= until - MARGIN,
    /** Calls `look` as often as a lease may lapse; the returned function ends that. */
    watch: (look: () => void): (() => void) => (shared === null ? () => {} : every(LOOK_EVERY, clock, look)),
  };
}
