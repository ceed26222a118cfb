import { readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";

/** Added to the nice value of a thread: it gets about a third of the processor time that one beside it gets. */
const NICE = 5;

/**
 * Lowers the priority of this process, also for the disk (ioprio_set(2): by default it follows from the nice value). Best
 * effort.
 */
export function lowerPriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not allowed here.
  }
}

/** Lowers the priority of the thread that calls it, unless it is the process's first one, on Linux. Best effort. */
export function lowerThreadPriority(): void {
  try {
    // "1234/task/5678" (proc(5)). There each thread has a priority of its own (setpriority(2), bugs).
    const [process, , thread] = readlinkSync("/proc/thread-self").split("/");
    if (thread !== process)
      setPriority(Number(thread), Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICE));
  } catch {
    // No Linux, or not allowed here.
  }
}
