import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** Why no process can be given a wrong clock here, for `skip`; false: it can. */
export const noFaketime: string | false = (process.env.PATH ?? "")
  .split(delimiter)
  .some((folder) => existsSync(join(folder, "faketime")))
  ? false
  : "faketime not installed (Debian: apt-get install faketime)";

let library: string | null = null;

/**
 * The environment of a process whose clock is ahead by so many seconds (behind: negative), as is the time of its files; what
 * it measures is right. Not by the program `faketime`, which would stand between the process and its signals.
 */
export function clockAhead(seconds: number): Record<string, string> {
  if (seconds === 0) return {};
  library ??= execFileSync("faketime", ["-f", "+0", "printenv", "LD_PRELOAD"], { encoding: "utf8" }).trim();
  return {
    LD_PRELOAD: library.replace("libfaketime.so", "libfaketimeMT.so"),
    FAKETIME: `${seconds > 0 ? "+" : ""}${seconds}`,
    // Two names, of older and newer versions.
    ...{ DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  };
}
