import type { Pruned } from "../../../model/retention.ts";
import type { Reached } from "./reached.ts";

/**
 * A piece of pruning. `reached` is moved on by it, and what it takes is added to `pruned`. `isHeld`: whether no other relay is at a
 * video; what is of another is for the next piece.
 */
export type Pruning = {
  reached: Reached;
  pruned: Pruned;
  limit: number;
  now: number;
  isHeld(video: number): boolean;
};

/** Those before the first of them whose video is not held. */
export function firstHeld<One>(
  some: One[],
  videoOf: (one: One) => number | undefined,
  isHeld: Pruning["isHeld"],
): One[] {
  const at = some.findIndex((one) => {
    const video = videoOf(one);
    return video !== undefined && !isHeld(video);
  });
  return at < 0 ? some : some.slice(0, at);
}
