import { constants, setPriority } from "node:os";

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
