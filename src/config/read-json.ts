import { readPlainText } from "../platform/files/plain-file.ts";
import { type Fault, scanJson } from "./json-scan.ts";
import type { Problems } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

/**
 * The file's JSON; undefined, with one problem, where it cannot be read or parsed. JSON.parse alone does not always
 * name the place of an error, accepts repeated keys, and quotes the text, which may hold a secret.
 */
export function readJson(path: string, problems: Problems): unknown {
  let text: string;
  try {
    text = readPlainText(path);
  } catch (error) {
    problems.add([], `cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
  if (text.trim() === "") {
    problems.add([], "is empty: {} takes the defaults, and config.example.json shows what can be set");
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
