import parseRange from "range-parser";
import type { Opened } from "../../targets/target.ts";

type File = Extract<Opened, { is: "file" }>;
type Header = (name: string) => string | undefined;

/** Bytes `start` to `end` of a file, both included. */
export type Range = { start: number; end: number };

/** What a request gets of a file: nothing new, no bytes, a part, or (null) all of it. */
export type Choice = "unchanged" | "unsatisfiable" | Range | null;

/** Evaluates the conditions and the range of a GET or HEAD, in the order of RFC 9110 §13.2.2. */
export function chooseRange(method: string, header: Header, file: File): Choice {
  if (isUnchanged(header, file)) return "unchanged";
  return method === "GET" ? rangeIn(header("range"), header("if-range"), file) : null;
}

/** If-None-Match; without it, If-Modified-Since. */
function isUnchanged(header: Header, file: File): boolean {
  const tags = header("if-none-match");
  if (tags !== undefined) {
    return tags.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === `"${file.tag}"`);
  }
  const since = httpDate(header("if-modified-since"));
  return since !== null && seconds(file.modifiedAt) <= seconds(since);
}

/** Several ranges and malformed ones are answered with the whole file. */
function rangeIn(range: string | undefined, condition: string | undefined, file: File): Range | "unsatisfiable" | null {
  if (range === undefined || !/^bytes=/i.test(range)) return null;
  if (condition !== undefined && !isCurrent(condition, file)) return null;
  // For range-parser "the last 1000 bytes" of a shorter file are unsatisfiable; RFC 9110 §14.1.2 means all of it.
  const last = /^bytes=-(\d+)$/i.exec(range)?.[1];
  if (last !== undefined && Number(last) >= file.bytes && file.bytes > 0) return { start: 0, end: file.bytes - 1 };
  const ranges = parseRange(file.bytes, range, { combine: true });
  if (ranges === -1) return "unsatisfiable";
  return ranges === -2 || ranges.length !== 1 ? null : ranges[0]!;
}

/** If-Range: exactly the current tag or date. */
function isCurrent(condition: string, file: File): boolean {
  if (condition.startsWith('"')) return condition === `"${file.tag}"`;
  const date = httpDate(condition);
  return date !== null && seconds(date) === seconds(file.modifiedAt);
}

function httpDate(text: string | undefined): number | null {
  const time = text?.endsWith(" GMT") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

const seconds = (ms: number) => Math.floor(ms / 1000);
