import { existsSync, readFileSync, truncateSync } from "node:fs";

/** What a reader has kept: the ids in the order in which it got them, and all cursors, the last of which is where it goes on. */
export type ReaderLog = { ids: string[]; cursors: string[]; cursor: string };

/** Reads a reader's file. A line that a kill has cut off is none, and is taken away. */
export function readLog(file: string): ReaderLog {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
  const pages = whole
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { ids: string[]; cursor: string });
  const cursors = pages.map(({ cursor }) => cursor);
  return { ids: pages.flatMap(({ ids }) => ids), cursors, cursor: cursors.at(-1) ?? "" };
}
