import type { Value } from "../value.ts";

export type Condition = { text: string; values: Value[] };

/** Ids that one index gives in order. `id`: the column; `isRepeated`: an id may stand in it more than once. */
export type Source = { id: string; from: string; where: Condition[]; isRepeated?: boolean; by?: string };
