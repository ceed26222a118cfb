import { readFileSync } from "node:fs";

/**
 * How much the resident memory may grow between the middle of a long run and its end, and how much there may ever be, in
 * MiB. V8 gives freed memory back late, malloc keeps what bodies of a mebibyte have once taken, and SQLite fills its page
 * cache (32 MiB) slowly, and so do the store's threads, each with a heap and arenas of malloc of its own: most of that is over
 * within some 30,000 cases (measured with threads: 570 MiB after 30,000, 577 after 46,000, 611 after 117,000). Behind that a leak of two KiB a request shows; a shorter run is
 * judged by its peak only.
 */
const MARGIN = 80;
const PEAK = 704;
const LONG = 60_000;

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

export type MemorySummary = { warm: number; end: number; peak: number };

/** Medians of the middle fifth and of the last tenth of the work, and the peak; null where nothing was measured. */
export function summarise({ samples }: Memory): MemorySummary | null {
  const between = (from: number, until: number) =>
    median(samples.filter(({ done }) => done >= from && done <= until).map(({ mib }) => mib));
  const warm = between(0.4, 0.6);
  const end = between(0.9, 1);
  return warm === null || end === null ? null : { warm, end, peak: Math.max(...samples.map(({ mib }) => mib)) };
}

/** Why a run of so many cases has used too much; null: it has not. */
export function judgeMemory({ warm, end, peak }: MemorySummary, cases: number): string | null {
  if (peak > PEAK) return `the memory rose to ${peak} MiB, above ${PEAK}`;
  if (cases < LONG || end <= warm + MARGIN) return null;
  return `the memory grew from ${warm} to ${end} MiB in the second half, by more than ${MARGIN}`;
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
