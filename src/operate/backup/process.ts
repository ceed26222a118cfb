import { spawn } from "node:child_process";
import { errorLine, RelayError } from "../../errors.ts";
import { removePart } from "../../store/backup.ts";

/** What a backup's own process says of it. */
export type MadeBackup = {
  bytes: number;
  /** Milliseconds since 1970: when the database was as the backup has it. */
  at: number;
  events: number;
  newest: number | null;
  /** Hexadecimal. */
  sha256: string;
};

/** Makes a verified backup at a path. Rejects with one line; at the signal it ends, and leaves nothing. */
export type RunBackup = (file: string, signal: AbortSignal) => Promise<MadeBackup>;

/** The option by which it ends with this process. */
const WHILE_STDIN = "--while-stdin";

/** What is kept of what it says. */
const LONGEST = 64 * 1024;

/**
 * Backups by a process of their own (`wochit-relay backup FILE --database PATH`): neither the copying nor the checking touches
 * this one's event loop. `self`: how this program is started again. It is killed at once where it has to end: its check hears
 * nothing else, and all that it leaves has one name. Where this process ends first, it hears of that by its stdin.
 */
export function backupProcess(database: string, self: { command: string; args: string[] }): RunBackup {
  return (file, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const child = spawn(self.command, [...self.args, "backup", file, "--database", database, "--json", WHILE_STDIN], {
        stdio: ["pipe", "pipe", "pipe"],
      });
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
      child.once("error", (error) => {
        done();
        reject(new RelayError("unsupported", `the backup's process cannot be started: ${errorLine(error)}`));
      });
      child.once("close", async (code, killedBy) => {
        done();
        if (killedBy !== null || signal.aborted) await removePart(file).catch(() => {});
        if (signal.aborted) return reject(signal.reason);
        if (code === 0) return resolve(read(said.stdout));
        const line = said.stderr
          .trim()
          .split("\n")
          .at(-1)
          ?.replace(/^wochit-relay: /, "");
        reject(new RelayError("unsupported", line || `the backup's process ended with ${killedBy ?? code}`));
      });
    });
}

function read(text: string): MadeBackup {
  const { bytes, at, events, newestEvent, sha256 } = JSON.parse(text);
  return { bytes, at: Date.parse(at), events, newest: newestEvent === null ? null : Date.parse(newestEvent), sha256 };
}
