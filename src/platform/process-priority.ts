import { constants, setPriority } from "node:os";

/**
 * Lets everybody else on this machine go first, also at the disk (ioprio_set(2): without a priority of its own for that, a
 * process has the one that follows from its nice value). Where that is not allowed it stays as it is.
 */
export function lowerPriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is a courtesy.
  }
}
