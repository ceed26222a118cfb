import { tellSize } from "../../actions/format-size.ts";
import { every } from "../../platform/timing.ts";
import type { CopyProgress } from "../../store/backup.ts";
import type { Context } from "../command.ts";

/** How often progress is told, in milliseconds: on a terminal, and in plain lines. */
const ON_TERMINAL = 100;
const IN_LINES = 10_000;

/** What tells nothing of how far it is shows on a terminal that it goes on, every so many milliseconds. */
const SECOND = 1_000;

/** Tells how far a copy is: on the last line of a terminal, or in lines now and then; with `asJson` not at all. */
export function createCopyTeller({ stdout, stderr, ports }: Context, asJson: boolean) {
  const { clock } = ports;
  const live = stderr.isTTY && stdout.isTTY && !asJson;
  let told = clock.elapsed();
  let cancel = () => {};

  return {
    tell(what: string, done: number, total: number | null): void {
      if (asJson || clock.elapsed() - told < (live ? ON_TERMINAL : IN_LINES)) return;
      told = clock.elapsed();
      const share =
        total === null || total === 0 ? "" : ` of ${tellSize(total)} (${Math.floor((100 * done) / total)} %)`;
      const line = `${what}: ${tellSize(done)}${share}`;
      if (live) stderr.write(`\r\x1b[K${line}`);
      else stdout.write(`${line}\n`);
    },
    onProgress({ step, done, total }: CopyProgress): void {
      // A check says nothing before its end.
      if (step === "copying") this.tell("copied", done, total);
      else if (live && done === 0) stderr.write(`\r\x1b[Kchecking ${tellSize(total)}`);
    },
    /** Tells that this goes on, and for how long, until `clear`. */
    wait(what: string): void {
      if (asJson) return;
      const began = clock.elapsed();
      if (live) stderr.write(`\r\x1b[K${what}`);
      cancel = every(live ? SECOND : IN_LINES, clock, () => {
        const line = `${what}: ${Math.round((clock.elapsed() - began) / 1000)} s`;
        if (live) stderr.write(`\r\x1b[K${line}`);
        else stdout.write(`${line}\n`);
      });
    },
    clear(): void {
      cancel();
      if (live) stderr.write("\r\x1b[K");
    },
  };
}

/** An end that the first SIGINT or SIGTERM asks for; `withStdin`: or the end of standard input. */
export function abortWhenStopped(context: Context, { withStdin = false } = {}): AbortSignal {
  const abort = new AbortController();
  const ended = () => abort.abort(new Error("whoever started it is gone"));
  if (withStdin) void context.stdin().then(ended, ended);
  void context.untilStopped().then((signal) => abort.abort(new Error(`stopped by ${signal}`)));
  return abort.signal;
}
