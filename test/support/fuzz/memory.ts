import { readFileSync } from "node:fs";

/**
 * How much the resident memory may grow between the second quarter of a run and its end, in MiB. V8 gives freed memory
 * back late, malloc keeps what bodies of a mebibyte have once taken, and SQLite fills its page cache (32 MiB) slowly: all
 * of that levels out within some 30,000 cases (measured: about 360 MiB after 30,000, 377 after 100,000). Behind that a
 * leak of one KiB a request shows.
 */
export function marginFor(cases: number): number {
  return cases >= 60_000 ? 48 : 128;
}

export type Memory = {
  /** Samples, oldest first: how much of the work was done (0 to 1), and MiB. */
  samples: { done: number; mib: number }[];
  stop(): void;
};

/** Samples a process's resident memory; on systems without /proc there are no samples. */
export function watchMemory(pid: number, done: () => number): Memory {
  const samples: Memory["samples"] = [];
  const look = () => {
    const mib = residentMemory(pid);
    if (mib !== null) samples.push({ done: done(), mib });
  };
  const timer = setInterval(look, 200);
  return {
    samples,
    stop() {
      clearInterval(timer);
      look();
    },
  };
}

/** Medians of the second quarter and of the last tenth of the work, and the peak; null where nothing was measured. */
export function summarise({ samples }: Memory): { warm: number; end: number; peak: number } | null {
  const between = (from: number, until: number) =>
    median(samples.filter(({ done }) => done >= from && done <= until).map(({ mib }) => mib));
  const warm = between(0.25, 0.5);
  const end = between(0.9, 1);
  return warm === null || end === null ? null : { warm, end, peak: Math.max(...samples.map(({ mib }) => mib)) };
}

function median(values: number[]): number | null {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? null;
}

function residentMemory(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Math.round(Number(kib) / 1024);
  } catch {
    return null;
  }
}
