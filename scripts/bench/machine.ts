import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { median, quantile } from "./measure.ts";

const SYNCS = 100;

/** What the figures depend on, in a line: the runtime, the processors and who else uses them, and how fast the disk syncs. */
export async function describeMachine(dir: string): Promise<string> {
  const { p50, p99 } = await timeSync(join(dir, "sync"));
  const processors = `${availableParallelism()} × ${cpus()[0]?.model ?? process.arch}`;
  const load = `load ${loadavg()[0]!.toFixed(1)} before`;
  return `Node ${process.versions.node}, ${processors}, ${load}, fdatasync of 8 KiB: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}

/** Milliseconds. */
async function timeSync(path: string): Promise<{ p50: number; p99: number }> {
  const file = openSync(path, "w");
  const took: number[] = [];
  try {
    for (let count = 0; count < SYNCS; count++) {
      writeSync(file, Buffer.alloc(8192, count));
      const begun = performance.now();
      fdatasyncSync(file);
      took.push(performance.now() - begun);
      await sleep(1);
    }
  } finally {
    closeSync(file);
  }
  return { p50: median(took), p99: quantile(took, 0.99) };
}
