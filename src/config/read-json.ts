import { readPlainFile } from "../platform/files/plain-file.ts";
import { type Fault, scanJson } from "./json-scan.ts";
import type { Problems } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

/**
 * The file's JSON; undefined when there is none to be had, which is then the one problem. JSON.parse alone says neither
 * where all of its errors are, nor that a key comes twice, and it quotes the text: a secret.
 */
export function readJson(path: string, problems: Problems): unknown {
  let text: string;
  try {
    text = readPlainFile(path)
      .toString("utf8")
      .replace(/^\uFEFF/, "");
  } catch (error) {
    problems.add([], `cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
  const { fault, repeated } = scanJson(text);
  if (fault !== null) {
    problems.add([], `is not JSON at ${placeOf(fault, text)}: ${fault.what}`);
    return undefined;
  }
  for (const key of repeated) problems.add(key, "is there twice");
  return JSON.parse(text);
}

/** Line and column as editors count them. */
function placeOf({ at }: Fault, text: string): string {
  const lines = text.slice(0, at).split("\n");
  return `${lines.length}:${lines.at(-1)!.length + 1}`;
}
