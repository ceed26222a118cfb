import { readFileSync } from "node:fs";

/** How many files and sockets this process may have open at once (getrlimit(2)); null where the system does not say. */
export function openFilesLimit(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
