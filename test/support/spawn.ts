import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

export type SpawnOptions = {
  /** Beside PATH and HOME, nothing of the test's own environment is passed on. */
  env?: Record<string, string>;
  /** A folder without a config.json unless told. */
  cwd?: string;
};

export type Finished = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

/** Starts the program as a user would, under the runtime that this test runs under. */
export function spawnCli(args: string[], { env = {}, cwd = tmpdir() }: SpawnOptions = {}): ChildProcess {
  const { PATH = "", HOME = "", DENO_DIR } = process.env;
  const own = { PATH, HOME, ...(DENO_DIR && { DENO_DIR }) };
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  return spawn(process.execPath, [...runtime, MAIN, ...args], { cwd, env: { ...own, ...env } });
}

/** Runs one command to its end. Kills it when that takes longer than 20 seconds. */
export async function runCli(
  args: string[],
  { input = "", ...options }: SpawnOptions & { input?: string | Uint8Array } = {},
): Promise<Finished> {
  const child = spawnCli(args, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const ended = finish(child);
  child.stdin?.on("error", () => {}); // it may end without reading its input
  child.stdin?.end(input);
  return ended.finally(() => clearTimeout(timer));
}

/** All output of a started program, when it has ended. */
export function finish(child: ChildProcess): Promise<Finished> {
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  child.stdout?.on("data", (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => output.stderr.push(chunk));
  const text = (name: "stdout" | "stderr") => Buffer.concat(output[name]).toString();
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout: text("stdout"), stderr: text("stderr") }));
  });
}

/** Runs a command that must succeed with `--json`, and reads its lines. */
export async function runJson<Row = Record<string, unknown>>(args: string[], options?: SpawnOptions): Promise<Row[]> {
  const { code, stdout, stderr } = await runCli([...args, "--json"], options);
  if (code !== 0) throw new Error(`"${args.join(" ")}" ended with ${code}: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}
