import { execFile } from "node:child_process";
import { errorLine } from "../../errors.ts";

/** The most bytes of its output; more ends it. */
const LONGEST = 2 ** 20;

export type Command = { command: string; args: string[] };

/**
 * Runs a command of this program in a process of its own, so that long work does not block this event loop. The signal kills
 * it; when this process ends first, the end of its standard input stops it (`--while-stdin`). Resolves with the last JSON object
 * that it prints. Rejects with the signal's reason, or in one line: why it cannot be started, or the last line of its stderr.
 */
export async function runOwnProcess<Printed>(self: Command, args: string[], signal: AbortSignal): Promise<Printed> {
  return (await readOwnProcess<Printed>(self, args, signal)).at(-1)!;
}

/** The same, with all objects that it prints. */
export async function readOwnProcess<Printed>(self: Command, args: string[], signal: AbortSignal): Promise<Printed[]> {
  signal.throwIfAborted();
  const printed = await new Promise<string>((resolve, reject) => {
    const all = [...self.args, ...args, "--json", "--while-stdin"];
    const options = { maxBuffer: LONGEST, killSignal: "SIGKILL" } as const;
    const end = () => void child.kill("SIGKILL");
    const child = execFile(self.command, all, options, (error, stdout, stderr) => {
      signal.removeEventListener("abort", end);
      if (signal.aborted) return reject(signal.reason);
      const { exitCode: code, signalCode: killedBy } = child;
      // Node gives the system's error number for what cannot be started.
      const isStarted = killedBy !== null || Number(code) > 0;
      if (error && !isStarted) return reject(new Error(`a process cannot be started: ${errorLine(error)}`));
      if (killedBy === null && stdout !== "") return resolve(stdout);
      const lastLine = stderr.trim().split("\n").at(-1) ?? "";
      reject(new Error(lastLine.replace(/^wochit-relay: /, "") || `the process ended with ${killedBy ?? code}`));
    });
    signal.addEventListener("abort", end, { once: true });
    // Nothing is written to it. Without a free file descriptor it has no streams.
    child.stdin?.on("error", () => {});
  });
  return printed
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
