import type { Doctor, DoctorReport } from "../admin/operation.ts";
import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { type Command, readOwnProcess } from "../platform/processes/own-process.ts";
import { abortAfter } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";

/** The check of a large database takes long; milliseconds. */
const LONGEST = 60 * 60_000;

/** Runs `doctor` in a process of its own, once at a time, and keeps what the last one found. */
export function createDoctor(options: {
  config(): Pick<Config, "file">;
  self: Command;
  clock: Clock;
}): Doctor & { stop(): Promise<void> } {
  const { config, self, clock } = options;
  const stopped = new AbortController();
  let report: DoctorReport = { state: "never", startedAt: null, endedAt: null, lines: [], error: null };
  let running = Promise.resolve();

  async function run(startedAt: number): Promise<void> {
    const { file } = config();
    const args = ["doctor", ...(file === null ? [] : ["--config", file])];
    const work = (signal: AbortSignal) => readOwnProcess<DoctorReport["lines"][number]>(self, args, signal);
    try {
      const lines = await abortAfter(LONGEST, clock, work, { signal: stopped.signal });
      report = { state: "done", startedAt, endedAt: clock.now(), lines, error: null };
    } catch (error) {
      report = { state: "done", startedAt, endedAt: clock.now(), lines: [], error: errorLine(error) };
    }
  }

  return {
    report: () => report,
    begin() {
      if (report.state === "running" || stopped.signal.aborted) return false;
      report = { state: "running", startedAt: clock.now(), endedAt: null, lines: [], error: null };
      running = run(clock.now());
      return true;
    },
    async stop() {
      stopped.abort(new Error("the relay stops"));
      await running;
    },
  };
}
