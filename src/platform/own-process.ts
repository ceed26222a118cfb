import { spawn } from "node:child_process";
import { errorLine } from "../errors.ts";

/** Kept of its output, in characters. */
const LONGEST = 64 * 1024;

/**
 * Runs a command of this program in a process of its own, so that long work does not block this event loop. The signal kills
 * it; when this process ends first, the end of its standard input stops it (`--while-stdin`). Resolves with the JSON object that
 * it prints. Rejects with the signal's reason, or in one line: why it cannot be started, or the last line of its stderr.
 */
export function runOwnProcess<Printed>(
  self: { command: string; args: string[] },
  args: string[],
  signal: AbortSignal,
): Promise<Printed> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(self.command, [...self.args, ...args, "--json", "--while-stdin"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.on("error", (error) => reject(new Error(`a process cannot be started: ${errorLine(error)}`)));
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
      if (signal.aborted) return reject(signal.reason);
      if (code !== null && output.stdout !== "") return resolve(JSON.parse(output.stdout));
      const lastLine = output.stderr
        .trim()
        .split("\n")
        .at(-1)
        ?.replace(/^wochit-relay: /, "");
      reject(new Error(lastLine || `the process ended with ${killedBy ?? code}`));
    });
  });
}
