import type { Statement } from "../core/tx.ts";
import { type Asking, isJoined } from "./statements.ts";

type Asked = { lane: number; query: Asking };

/**
 * What lanes ask in one round, in the order of the lanes, as it goes out: what several ask with the same statement together.
 * Each lane keeps its own order; lanes are about different rows. One statement waits for another while lanes ask it after that.
 */
export function groupsOf<One extends Asked>(round: readonly One[]): One[][] {
  const groups: One[][] = [];
  const lanes = [...Map.groupBy(round, ({ lane }) => lane).values()].map((all) => ({ all, at: 0 }));
  const left = new Map<Statement, number>();
  for (const { query } of round) if (isJoined(query)) left.set(query.of!, (left.get(query.of!) ?? 0) + 1);

  for (;;) {
    const ready = new Map<Statement, One[]>();
    for (const lane of lanes) {
      for (; lane.at < lane.all.length && !isJoined(lane.all[lane.at]!.query); lane.at++)
        groups.push([lane.all[lane.at]!]);
      const of = lane.all[lane.at]?.query.of;
      if (of === undefined) continue;
      const all = ready.get(of) ?? [];
      ready.set(of, all);
      for (let at = lane.at; lane.all[at]?.query.of === of; at++) all.push(lane.all[at]!);
    }
    const [first] = ready;
    if (first === undefined) return groups;
    const [of, all] = [...ready].find(([of, all]) => all.length === left.get(of)) ?? first;
    groups.push(all);
    left.set(of, left.get(of)! - all.length);
    for (const lane of lanes) while (lane.all[lane.at]?.query.of === of) lane.at++;
  }
}
