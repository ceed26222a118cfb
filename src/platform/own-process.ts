import { spawn } from "node:child_process";

/** What is kept of what it says, in characters. */
const LONGEST = 64 * 1024;

/** How a process of this program ended. */
export type Ended = { code: number | null; killedBy: NodeJS.Signals | null; stdout: string; lastLine: string };

/**
 * Runs a command of this program in a process of its own: what takes long there touches no event loop of this one. It is killed
 * at the signal, and hears by its standard input when this process ends first (`--while-stdin`). Rejects only where it is not
 * started: it cannot be, or the signal was aborted before. `lastLine`: of its stderr, without the program's name.
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
    // Where no file descriptor is left it has no streams, and the error comes a turn later.
    if ((child.stdin as typeof child.stdin | undefined) === undefined) return;
    child.stdin.on("error", () => {}); // nothing is written to it
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        if (said[name].length < LONGEST) said[name] += text;
      });
    }
    const end = () => void child.kill("SIGKILL");
    signal.addEventListener("abort", end, { once: true });
    const done = () => signal.removeEventListener("abort", end);
    child.on("error", done);
    child.once("close", (code, killedBy) => {
      done();
      const lastLine = said.stderr.trim().split("\n").at(-1) ?? "";
      resolve({ code, killedBy, stdout: said.stdout, lastLine: lastLine.replace(/^wochit-relay: /, "") });
    });
  });
}
