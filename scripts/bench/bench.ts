import type { Row } from "./measure.ts";
import type { Version } from "./versions.ts";

/** What every bench is given. */
export type Conditions = {
  /** What takes turns in each round: ours first, then the other commits that are wished for. */
  versions: Version[];
  rounds: number;
  /** How long each stretch of load lasts. */
  seconds: number;
  /** How long something is watched that has nothing to do: processor time is counted in hundredths of a second. */
  idleSeconds: number;
  /** A hundredth of the size, where size is what makes it slow: to try the bench, not to measure. */
  small: boolean;
  /** The parts of a bench that are wanted; null: all of it. */
  only: string[] | null;
  /** Where CPU profiles of the relay go, for a bench that makes them; null: none are made, and none disturbs. */
  profile: string | null;
  /** Of `operate`: how many events its database holds, and where that is kept for the next run; null: it is not. */
  events: number;
  keep: string | null;
  /** A fresh empty folder inside the bench's own. */
  folder(): string;
  /** Progress, for the person who waits. */
  say(text: string): void;
};

/** One figure of the table, or several that are measured together. */
export type Bench = (conditions: Conditions) => Promise<Row[]>;

/** The wanted ones of a bench's parts, in their own order. */
export function chooseParts<Part extends string>({ only }: Conditions, parts: readonly Part[]): Part[] {
  const unknown = only?.find((name) => !parts.includes(name as Part));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}", only ${parts.join(", ")}`);
  return parts.filter((part) => only === null || only.includes(part));
}
