import { execFile } from "node:child_process";

/** The most bytes of its output; more ends it. */
const LONGEST = 2 ** 20;

/** How a process of this program ended. */
export type Ended = { code: number | null; killedBy: NodeJS.Signals | null; stdout: string; lastLine: string };

/**
 * Runs a command of this program in a process of its own, so that long work does not block this event loop. The signal kills
 * it; when this process ends first, the end of its standard input stops it (`--while-stdin`). Rejects only where it cannot be
 * started, or the signal was aborted before. `lastLine`: of its stderr, without the program's name.
 */
export function runOwnProcess(
  self: { command: string; args: string[] },
  args: string[],
  signal: AbortSignal,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const all = [...self.args, ...args, "--json", "--while-stdin"];
    const end = () => void child.kill("SIGKILL");
    const child = execFile(
      self.command,
      all,
      { maxBuffer: LONGEST, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        signal.removeEventListener("abort", end);
        const { exitCode: code, signalCode: killedBy } = child;
        // Node gives the system's error number for what cannot be started.
        if (error && killedBy === null && !(Number(code) > 0)) return reject(error);
        const lastLine = stderr.trim().split("\n").at(-1) ?? "";
        resolve({ code, killedBy, stdout, lastLine: lastLine.replace(/^wochit-relay: /, "") });
      },
    );
    signal.addEventListener("abort", end, { once: true });
    // Nothing is written to it. Without a free file descriptor it has no streams.
    child.stdin?.on("error", () => {});
  });
}
