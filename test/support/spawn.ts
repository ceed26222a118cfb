import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commands } from "../../src/cli/commands/table.ts";
import { runCommandLine } from "../../src/cli/run.ts";
import { bareEnvironment } from "./environment.ts";
import { hear } from "./heard.ts";

export const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export type SpawnOptions = {
  /** Beside what runs a program at all (bareEnvironment), nothing of the test's own environment is passed on. */
  env?: Record<string, string>;
  /** A folder without a config.json unless told. */
  cwd?: string;
  /** A file descriptor to write to instead of a pipe; for real processes only. */
  stdout?: number;
  /** The user that runs it: only root can say so. */
  uid?: number;
};

export type Finished = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string };

/** Starts the program as a user would, under the runtime that this test runs under. */
export function spawnCli(args: string[], { env = {}, cwd = tmpdir(), stdout, uid }: SpawnOptions = {}): ChildProcess {
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A"];
  return spawn(process.execPath, [...runtime, MAIN, ...args], {
    cwd,
    env: { ...bareEnvironment(), ...env },
    ...(uid !== undefined && { uid, gid: uid }),
    stdio: ["pipe", stdout ?? "pipe", "pipe"],
  });
}

/** Runs one command to its end. Kills it when that takes longer than three minutes. */
export async function runCli(
  args: string[],
  { input = "", ...options }: SpawnOptions & { input?: string | Uint8Array } = {},
): Promise<Finished> {
  const child = spawnCli(args, options);
  const ended = finishInTime(child);
  child.stdin?.on("error", () => {}); // it may end without reading its input
  child.stdin?.end(input);
  return ended;
}

/** All output of a started program, when it has ended; after three minutes it is killed. */
export function finishInTime(child: ChildProcess): Promise<Finished> {
  const timer = setTimeout(() => child.kill("SIGKILL"), 180_000);
  return finish(child).finally(() => clearTimeout(timer));
}

/** All output of a started program, when it has ended. */
export function finish(child: ChildProcess): Promise<Finished> {
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  child.stdout?.on("data", (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => output.stderr.push(chunk));
  const text = (name: "stdout" | "stderr") => Buffer.concat(output[name]).toString();
  const lines = () => `${text("stdout")}\n${text("stderr")}`.split("\n").filter((line) => line !== "");
  const forget = hear(child.spawnargs?.slice(-6).join(" ") ?? "a process", lines);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) forget();
      resolve({ code, signal, stdout: text("stdout"), stderr: text("stderr") });
    });
  });
}

/** Runs a command in this process that must succeed with `--json`, and reads its lines. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it as they like
export async function callJson<Row = any>(args: string[], options?: Parameters<typeof callCli>[1]): Promise<Row[]> {
  const { code, stdout, stderr } = await callCli([...args, "--json"], options);
  if (code !== 0) throw new Error(`"${args.join(" ")}" ended with ${code}: ${stderr}`);
  return jsonLines(stdout);
}

/** The objects that a command printed, one a line. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into them as they like
export function jsonLines<Row = any>(text: string): Row[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}

type CallOptions = SpawnOptions & {
  input?: string | Uint8Array;
  /** Makes stdout a terminal of so many cells. */
  width?: number;
  /** The local zone, in minutes east of UTC; UTC unless given. */
  utcOffset?: number;
  /** What somebody at a terminal types when asked. */
  answer?: string;
  /** The reader of an output, which has so far been given so many bytes. */
  drained?(name: "stdout" | "stderr", given: number): Promise<boolean>;
};

/** Runs one command in this process: the same command line, a tenth of the time. */
export async function callCli(
  args: string[],
  { env = {}, cwd = tmpdir(), input = "", width, utcOffset = 0, answer, drained = async () => true }: CallOptions = {},
): Promise<Pick<Finished, "code" | "stdout" | "stderr"> & { bytes: Buffer }> {
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  const given = { stdout: 0, stderr: 0 };
  const stream = (name: "stdout" | "stderr") => ({
    write(data: string | Uint8Array) {
      given[name] += output[name][output[name].push(Buffer.from(data)) - 1]!.length;
    },
    drained: () => drained(name, given[name]),
    isTTY: width !== undefined,
    isFile: false,
    columns: width ?? Number.POSITIVE_INFINITY,
  });
  const ask = async (question: string) => {
    if (answer !== undefined) output.stderr.push(Buffer.from(question));
    return answer ?? null;
  };
  const code = await runCommandLine(commands, {
    environment: {
      ...{ env, cwd, args, hostname: "relay-host", platform: process.platform, pid: process.pid },
      utcOffset: () => utcOffset,
    },
    streams: { stdout: stream("stdout"), stderr: stream("stderr"), stdin: async () => Buffer.from(input), ask },
    version: "0.0.0",
    lowerPriority() {}, // This process goes on with other tests.
    crash: { log: null },
  });
  const bytes = Buffer.concat(output.stdout);
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(output.stderr).toString() };
}
