import { readlinkSync, statSync } from "node:fs";
import process from "node:process";

/**
 * The name of the namespace that this process's id is of (pid_namespaces(7)): the same number names another process in another
 * container. Null where the system has none.
 */
export function pidNamespace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return null;
  }
}

/** The user that a process runs as; null where that cannot be seen. */
export function userOf(pid: number): number | null {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? null;
}

/** Sends SIGHUP. Throws the system's error: ESRCH where there is no such process, EPERM where it is another user's. */
export function hangUp(pid: number): void {
  process.kill(pid, "SIGHUP");
}
