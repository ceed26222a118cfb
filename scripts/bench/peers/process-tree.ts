import { readdirSync, readFileSync } from "node:fs";

/** The kernel's unit of processor time in microseconds: a hundredth of a second (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const TICK = 10_000;

/**
 * Memory of processes and all below them, in bytes. Pages that several share are counted once (PSS, proc_pid_smaps(5)).
 * Zero where the system has no /proc.
 */
export function memoryOf(roots: number[]): number {
  let kib = 0;
  for (const pid of treeOf(roots)) {
    const rollup = readProc(`${pid}/smaps_rollup`);
    kib += Number(/^Pss:\s+(\d+) kB$/m.exec(rollup ?? "")?.[1] ?? 0);
  }
  return kib * 1024;
}

/** Processor time of processes and all below them, in microseconds: theirs, and that of ended children. */
export function cpuOf(roots: number[]): number {
  let ticks = 0;
  for (const pid of treeOf(roots)) {
    const fields = fieldsOf(readProc(`${pid}/stat`));
    for (const at of [11, 12, 13, 14]) ticks += Number(fields[at] ?? 0);
  }
  return ticks * TICK;
}

function treeOf(roots: number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readProcesses()) {
    const parent = Number(fieldsOf(readProc(`${name}/stat`))[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(below)];
  return roots.flatMap(below);
}

function readProcesses(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Of `stat`, from the third field on: the second is a name in brackets, and may hold anything. */
function fieldsOf(stat: string | null): string[] {
  return stat === null ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Null of a process that has ended, or that another user's is. */
function readProc(path: string): string | null {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return null;
  }
}
