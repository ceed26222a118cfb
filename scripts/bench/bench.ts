import type { Row } from "./measure.ts";

/** What every bench is given. */
export type Conditions = {
  rounds: number;
  /** How long each stretch of load lasts. */
  seconds: number;
  /** A hundredth of the size, where size is what makes it slow: to try the bench, not to measure. */
  small: boolean;
  /** A fresh empty folder inside the bench's own. */
  folder(): string;
  /** Progress, for the person who waits. */
  say(text: string): void;
};

/** One figure of the table, or several that are measured together. */
export type Bench = (conditions: Conditions) => Promise<Row[]>;
