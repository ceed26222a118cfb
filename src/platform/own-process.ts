import { spawn } from "node:child_process";

/** Kept of its output, in characters. */
const LONGEST = 64 * 1024;

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
    const child = spawn(self.command, [...self.args, ...args, "--json", "--while-stdin"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.on("error", reject);
    // Without a free file descriptor it has no streams, and the error event follows a turn later.
    if ((child.stdin as typeof child.stdin | undefined) === undefined) return;
    child.stdin.on("error", () => {}); // Nothing is written to it.
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        if (output[name].length < LONGEST) output[name] += text;
      });
    }
    const end = () => void child.kill("SIGKILL");
    signal.addEventListener("abort", end, { once: true });
    const done = () => signal.removeEventListener("abort", end);
    child.on("error", done);
    child.once("close", (code, killedBy) => {
      done();
      const lastLine = output.stderr.trim().split("\n").at(-1) ?? "";
      resolve({ code, killedBy, stdout: output.stdout, lastLine: lastLine.replace(/^wochit-relay: /, "") });
    });
  });
}
