import type { Path, Problems } from "./problems.ts";
import type { Outside } from "./secrets.ts";

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
