import process from "node:process";

/** How long this process has computed since `begun` (process.cpuUsage()), in milliseconds: what waits on a busy machine is not counted. */
export function computedMs(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1_000;
}
