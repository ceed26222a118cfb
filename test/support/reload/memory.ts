import { readdirSync, readFileSync } from "node:fs";

/** Open descriptors and resident memory of a process. */
export type Sample = { handles: number; mib: number };

/** Null where the system has no /proc. */
export function sampleOf(pid: number): Sample | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return { handles: readdirSync(`/proc/${pid}/fd`).length, mib: Math.round(Number(kib) / 1024) };
  } catch {
    return null;
  }
}

export type Growth = { from: Sample; to: Sample; handles: number; mib: number };

/** From the median of the second fifth to that of the last one; null: there are too few. */
export function growthOf(samples: Sample[]): Growth | null {
  const fifth = Math.floor(samples.length / 5);
  if (fifth === 0) return null;
  const of = (part: Sample[]): Sample => {
    const middle = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
    return { handles: middle(part.map(({ handles }) => handles)), mib: middle(part.map(({ mib }) => mib)) };
  };
  const [from, to] = [of(samples.slice(fifth, 2 * fifth)), of(samples.slice(-fifth))];
  return { from, to, handles: to.handles - from.handles, mib: to.mib - from.mib };
}

export function showGrowth({ from, to }: Growth): string {
  return `handles ${from.handles} -> ${to.handles}, memory ${from.mib} -> ${to.mib} MiB`;
}
