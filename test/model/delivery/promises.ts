import type { Failure } from "../walk.ts";
import type { View } from "./system.ts";

/** What apps rely on, judged by what can be seen: the rules may be wrong, too. `isAside` says which hold nobody. */
export function createJudge() {
  /** By video, the greatest sequence ever given; a restore forgets none. */
  const highest = new Map<string, number>();
  let known = 0;
  /** Deliveries of which later ones may be sent before them: they were aside, or had ended. */
  let excused = new Set<number>();

  function laneOf({ deliveries, sequences }: View, at: number): string {
    const { event, endpoint } = deliveries[at]!;
    return `${endpoint} ${sequences[event]!.v}`;
  }

  return {
    /** After every command. `isAside`: holds its lane no longer. `ordered`: the endpoints that keep order. */
    judge(view: View, isAside: (delivery: number) => boolean, ordered: string[]): Failure | null {
      for (const { v, sequence } of view.sequences.slice(known)) {
        const before = highest.get(v) ?? 0;
        if (sequence <= before)
          return { promise: "sequences only grow", detail: `${v} gets ${sequence} after ${before}` };
        highest.set(v, sequence);
      }
      known = view.sequences.length;
      const underWay = new Set<string>();
      for (const [at, { state, endpoint }] of view.deliveries.entries()) {
        if (isAside(at) || state === "dead" || state === "canceled") excused.add(at);
        if (state !== "running" || isAside(at) || !ordered.includes(endpoint)) continue;
        const lane = laneOf(view, at);
        if (underWay.has(lane))
          return { promise: "one attempt at a time", detail: `${lane}: delivery ${at} is another` };
        underWay.add(lane);
      }
      return null;
    },

    /** A delivery was answered with success. */
    judgeOrder(view: View, delivery: number, ordered: string[]): Failure | null {
      const mine = view.deliveries[delivery]!;
      if (!ordered.includes(mine.endpoint) || excused.has(delivery) || mine.replay) return null;
      const passed = view.deliveries.findIndex(
        (other, at) =>
          at > delivery && !other.replay && other.state === "delivered" && laneOf(view, at) === laneOf(view, delivery),
      );
      if (passed < 0) return null;
      return { promise: "events of a video arrive in order", detail: `delivery ${delivery} comes after ${passed}` };
    },

    /** What was after the backup is no more; that it was seen cannot be undone. */
    restored(view: View): void {
      known = view.sequences.length;
      excused = new Set(view.deliveries.keys());
    },
  };
}
