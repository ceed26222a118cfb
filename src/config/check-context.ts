import { resolve } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import type { Path, Problems } from "./problems.ts";
import { isOutOfSight, type Outside, reasonOf } from "./secrets.ts";

/** A config file while it is checked. */
export type CheckContext = {
  /** The value at a place of the parsed file; undefined where it is missing, or wrong already. */
  valueAt<Value>(path: Path): Value | undefined;
  problems: Problems;
  /** Relative paths start here. */
  folder: string;
  /** The data folder as it will be. */
  dataDir: string;
  /** Whether the files of secrets and certificates are read. */
  readsSecrets: boolean;
  /** Not null: the check runs outside of the service. */
  outside: Outside | null;
  /** Notes a file that only the service can read. */
  noteUnseen(path: Path, name: string): void;
};

/** The list of endpoints, also when something inside it is wrong: the other endpoints are checked all the same. */
export function readEndpoints({ valueAt }: Pick<CheckContext, "valueAt">): unknown[] {
  const endpoints = valueAt<{ endpoints?: unknown }>([])?.endpoints;
  return Array.isArray(endpoints) ? endpoints : [];
}

/**
 * What `read` makes of the file that an option names (an absolute path); what it throws is a problem of that option. Null: none is
 * named, files are not read, or only the service can read it, which is noted.
 */
export function readFileOf<Result>(
  path: Path,
  { valueAt, problems, folder, outside, readsSecrets, noteUnseen }: CheckContext,
  read: (file: string) => Result,
): Result | null {
  const given = valueAt<string | null>(path);
  if (given == null || !readsSecrets) return null;
  const file = resolve(folder, given);
  try {
    if (!isOutOfSight(file, outside)) return read(file);
    noteUnseen(path, file);
  } catch (error) {
    problems.add(path, error instanceof RelayError ? errorLine(error) : `cannot read ${file}: ${reasonOf(error)}`);
  }
  return null;
}
