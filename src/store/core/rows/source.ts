import type { Value } from "../value.ts";

export type Condition = { text: string; values: Value[] };

/** Ids that one index gives in order. `id`: the column; `isRepeated`: an id may stand in it more than once. */
export type Source = { id: string; from: string; where: Condition[]; isRepeated?: boolean; by?: string };

/**
 * `sources`: what gives by an index all that a filter takes, or the newest of it, as many as `limit`; `condition`: whether a row is
 * among that, by no index.
 */
export type Filter = {
  sources(rest: Condition[], limit?: number): Source[] | Promise<Source[]>;
  condition: Condition;
};
