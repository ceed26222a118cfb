import type { Path } from "./problems.ts";
import type { Outside } from "./secrets.ts";

/** Reads a value of the parsed file; undefined where it is missing, or wrong already. */
export type Look = <T>(path: Path) => T | undefined;

/**
 * Where relative paths start, the data folder as it will be, whether the files of secrets are looked at, and whether that is done
 * from outside of the service; what then cannot be looked at is told to `noteUnseen`.
 */
export type Places = {
  folder: string;
  dataDir: string;
  readsSecrets: boolean;
  outside: Outside | null;
  noteUnseen(path: Path, name: string): void;
};

/** The list of endpoints also when something inside it is wrong: the others deserve their checks all the same. */
export function readEndpoints(look: Look): unknown[] {
  const endpoints = look<{ endpoints?: unknown }>([])?.endpoints;
  return Array.isArray(endpoints) ? endpoints : [];
}
