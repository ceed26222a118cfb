import type { Beside, Row, Side } from "./measure.ts";
import type { Version } from "./versions.ts";

/** One of those that take turns: it adds its figures of a round to its sides. */
export type Turn = { measure(round: number): Promise<void> };

/** Rounds in which each has its turn. The first of a round is another one each time: none always runs on a disk that is warm. */
export async function takeTurns(rounds: number, turns: Turn[]): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    const first = (round - 1) % turns.length;
    for (const turn of [...turns.slice(first), ...turns.slice(0, first)]) await turn.measure(round);
  }
}

/** The sides of a row by version: ours is the first, the others are beside it. */
export type Sides = { version: Version; side: Side; baseline?: Side };

export function rowOf(given: Pick<Row, "figure" | "unit" | "wanted" | "note">, [ours, ...others]: Sides[]): Row {
  const beside = others.map(
    ({ version, side, baseline }): Beside => ({ name: version.name, side, ...(baseline && { baseline }) }),
  );
  return { ...given, baseline: ours!.baseline ?? null, ours: ours!.side, beside };
}

export function emptySide() {
  return { values: [], p50: [], p99: [], memory: [], cpu: [], threads: [] } satisfies Required<Side> as Required<Side>;
}
