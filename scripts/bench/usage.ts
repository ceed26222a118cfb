import { readdirSync, readFileSync } from "node:fs";
import type { Child } from "./processes.ts";

/** The kernel's unit of processor time in microseconds: a hundredth of a second (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const TICK = 10_000;

/** Processor time for each event, in microseconds, and the same by the names of threads. */
export type Usage = { cpu: number; threads: Record<string, number> };

/** Reads what a child has used by now; the result gives what it has used since, divided by a number of events. */
export async function startMeter(child: Child<unknown>): Promise<(events: number) => Promise<Usage>> {
  const [before, threadsBefore] = [await child.ask<number>("cpu"), readThreads(child.pid)];
  return async (events) => {
    const threadsNow = readThreads(child.pid);
    const cpu = ((await child.ask<number>("cpu")) - before) / events;
    const threads: Record<string, number> = {};
    for (const [id, { name, used }] of threadsNow) {
      const spent = (used - (threadsBefore.get(id)?.used ?? 0)) / events;
      if (spent > 0) threads[name] = (threads[name] ?? 0) + spent;
    }
    return { cpu, threads };
  };
}

/** The threads of a process that live, by id; none where the system has no /proc. Times are microseconds. */
function readThreads(pid: number): Map<string, { name: string; used: number }> {
  const threads = new Map<string, { name: string; used: number }>();
  try {
    for (const id of readdirSync(`/proc/${pid}/task`)) {
      // The second field is a name in brackets, and may hold anything; utime and stime are the 14th and 15th of all.
      const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8");
      const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      threads.set(id, { name, used: (Number(fields[11]) + Number(fields[12])) * TICK });
    }
  } catch {
    // A thread that ends while it is read has no time to show.
  }
  return threads;
}
