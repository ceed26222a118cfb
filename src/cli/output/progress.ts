import { formatSize } from "../../actions/format.ts";
import { every } from "../../platform/timing.ts";
import type { CopyProgress } from "../../store/backup.ts";
import type { Program } from "../program.ts";

/** How often progress is shown on a terminal, in milliseconds. */
const ON_TERMINAL = 100;

/** How often a terminal shows how long a step has lasted that reports no progress, in milliseconds. */
const SECOND = 1_000;

/** Whether a line that was written on stderr can be written over: a terminal that takes escapes. */
export const canErase = ({ stderr, env }: Pick<Program, "stderr" | "env">): boolean =>
  stderr.isTTY && env.TERM !== "dumb";

export type Progress = ReturnType<typeof createProgress>;

/**
 * Shows the progress of long work: on the last line of a terminal, also where the output goes into a file; elsewhere in a line
 * of its own every `everyLine` milliseconds, with `asJson` not at all.
 */
export function createProgress(
  { stdout, stderr, env, ports }: Pick<Program, "stdout" | "stderr" | "env" | "ports">,
  asJson: boolean,
  everyLine = 10_000,
) {
  const { clock } = ports;
  const live = canErase({ stderr, env }) && (stdout.isFile || (stdout.isTTY && !asJson));
  const isSilent = asJson && !live;
  const write = (line: string) => (live ? stderr.write(`\r\x1b[K${line}`) : stdout.write(`${line}\n`));
  let shownAt = clock.elapsed();
  let cancel = () => {};

  function show(line: string): void {
    if (isSilent || clock.elapsed() - shownAt < (live ? ON_TERMINAL : everyLine)) return;
    shownAt = clock.elapsed();
    write(line);
  }

  return {
    show,
    ofCopy({ step, done, total }: CopyProgress): void {
      const share = total === 0 ? "" : ` of ${formatSize(total)} (${Math.floor((100 * done) / total)} %)`;
      if (step === "copying") show(`copied: ${formatSize(done)}${share}`);
      // A check reports nothing before its end.
      else if (live && done === 0) write(`checking ${formatSize(total)}`);
    },
    /** Shows that a step goes on, and for how long, until `clear`; what it says may change meanwhile. */
    wait(step: string | (() => string)): void {
      if (isSilent) return;
      const began = clock.elapsed();
      const say = typeof step === "string" ? () => step : step;
      if (live) write(say());
      cancel = every(live ? SECOND : everyLine, clock, () => {
        write(`${say()}: ${Math.round((clock.elapsed() - began) / 1000)} s`);
      });
    },
    /** Removes the line from the terminal. */
    clear(): void {
      cancel();
      if (live) stderr.write("\r\x1b[K");
    },
  };
}
