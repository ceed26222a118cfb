import { execFile, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bareEnvironment } from "./environment.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Runs a program on a terminal of its own, and types: each step waits for a text after that of the step before it. */
const PLAYER = `
import fcntl, json, os, pty, struct, sys, termios, time
job = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, job["columns"], 0, 0))
    os.chdir(job["cwd"])
    os.execve(job["argv"][0], job["argv"], job["env"])
output, seen, steps = b"", 0, job["steps"]
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        data = b""
    if not data:
        break
    output += data
    while steps and output.find(steps[0][0].encode(), seen) >= 0:
        seen = output.find(steps[0][0].encode(), seen) + len(steps[0][0].encode())
        os.write(fd, steps[0][1].encode())
        steps = steps[1:]
_, status = os.waitpid(pid, 0)
print(json.dumps({"output": output.decode("utf8", "replace"), "code": os.waitstatus_to_exitcode(status)}))
`;

/** Why a test that needs a terminal is skipped; false: it runs. */
export const noTerminal =
  spawnSync("python3", ["-c", "import pty"]).status === 0 ? false : "python3, which makes the terminal, is missing";

export type Step = [text: string, typed: string];

type Place = { cwd?: string; env?: Record<string, string>; columns?: number };

/**
 * One command at a terminal: stdin, stdout and stderr are one, as wide as told. `code` is negative after a signal. Rejects
 * after three minutes.
 */
export function atTerminal(args: string[], steps: Step[], place: Place = {}): Promise<Played> {
  return playAtTerminal([...selfArgv(), ...args], steps, place);
}

/** How this program is run from source: the runtime of the test, and the main file. */
export function selfArgv(): string[] {
  return [process.execPath, ...(process.versions.deno === undefined ? [] : ["run", "-A"]), MAIN];
}

type Played = { output: string; code: number };

/** The same of any program. */
export function playAtTerminal(
  argv: string[],
  steps: Step[],
  { cwd = tmpdir(), env = {}, columns = 80 }: Place = {},
): Promise<Played> {
  const job = { argv, cwd, columns, steps, env: { ...bareEnvironment(), TERM: "xterm", ...env } };
  return new Promise((resolve, reject) => {
    execFile("python3", ["-c", PLAYER, JSON.stringify(job)], { timeout: 180_000 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout));
    });
  });
}
