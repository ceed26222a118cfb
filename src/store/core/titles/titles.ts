import type { Condition, Source } from "../rows/source.ts";

/** How an engine finds videos by a part of their title, of three characters at least, in upper or lower case. */
export type Titles = {
  /** Those of the videos `v`, the newest first. `within`: conditions on `v`; others go by the source's id alone. */
  sources(text: string, within: Condition[]): Source[];
  /** Whether the video whose number stands in this column is one of them. All of them are found before the first row. */
  condition(text: string, column: string): Condition;
};
