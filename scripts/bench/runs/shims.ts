import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

/** Libraries for LD_PRELOAD that change how long a sync takes; each is the C file of that name. */
export type Shim = "slow-fsync" | "stall-fsync";

export const NO_SHIM = "it needs a C compiler (cc) and a Linux";

/** Compiles one into a folder. Null where that cannot be done here. */
export function compileShim(shim: Shim, dir: string): string | null {
  if (process.platform !== "linux") return null;
  const path = join(dir, `${shim}.so`);
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", path, join(import.meta.dirname, `${shim}.c`), "-ldl"]);
    return path;
  } catch {
    return null;
  }
}
