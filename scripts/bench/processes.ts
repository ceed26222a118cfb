import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A server of the bench in a process of its own. */
export type Child<Ready> = {
  pid: number;
  /** What it said when it was ready: its address and the like. */
  ready: Ready;
  /** Has it answer a question by name (child.ts). */
  ask<T>(question: string): Promise<T>;
  /** The most memory it has held so far, in bytes; null where the system does not tell. */
  peakMemory(): number | null;
  /** SIGTERM, by its id, and the end of it. */
  stop(): Promise<void>;
};

/** How long a child may take to be ready, to answer, and to end. A relay drains for up to ten seconds. */
const READY_WITHIN = 60_000;
const ANSWERS_WITHIN = 600_000;
const ENDS_WITHIN = 20_000;

const running = new Set<ChildProcess>();

/**
 * Starts a script of servers/, or one with an address of its own, under the same Node, with `settings` as its only
 * argument. Its standard output goes to the file `log`, or nowhere; what it says on stderr is shown. Rejects when it ends
 * before it is ready.
 */
export async function startChild<Ready = { url: string }>(
  script: string | URL,
  settings: unknown,
  options: { env?: Record<string, string>; log?: string; flags?: string[] } = {},
): Promise<Child<Ready>> {
  const out = options.log === undefined ? "ignore" : openSync(options.log, "a");
  const path = fileURLToPath(new URL(script, new URL("servers/", import.meta.url)));
  const child = spawn(process.execPath, [...(options.flags ?? []), path, JSON.stringify(settings)], {
    stdio: ["ignore", out, "inherit", "ipc"],
    env: { ...process.env, ...options.env },
  });
  if (typeof out === "number") closeSync(out);
  running.add(child);
  const ended = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return `${script} ended with ${signal ?? code}`;
  });

  /** The next message of a kind. Rejects when the child ends first, or is silent for so many milliseconds. */
  function receive<T>(kind: string, patience: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const take = (message: { kind: string; value: T }) => {
        if (message.kind === kind) finish(() => resolve(message.value));
      };
      const timer = setTimeout(() => finish(() => reject(new Error(`${script} says nothing of "${kind}"`))), patience);
      function finish(settle: () => void): void {
        clearTimeout(timer);
        child.off("message", take);
        settle();
      }
      child.on("message", take);
      void ended.then((how) => finish(() => reject(new Error(how))));
    });
  }

  const ready = await receive<Ready>("ready", READY_WITHIN);
  return {
    pid: child.pid!,
    ready,
    ask(question) {
      const answer = receive<never>(question, ANSWERS_WITHIN);
      child.send(question);
      return answer;
    },
    peakMemory: () => readPeak(child.pid!),
    stop: () => end(child, ended),
  };
}

/** SIGTERM, or another signal, and what is stronger to what does not listen. */
async function end(child: ChildProcess, ended: Promise<unknown>, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (!running.has(child)) return;
  child.kill(signal);
  const kill = setTimeout(() => child.kill("SIGKILL"), ENDS_WITHIN);
  await ended;
  clearTimeout(kill);
}

/** A server that is another project's program. */
export type Program = { pid: number; stop(): Promise<void> };

/**
 * Starts one, and waits until it listens on its port of this machine. What it says on stderr goes to the file `log`, or is
 * shown. `signal` ends it, SIGTERM unless given.
 */
export async function startProgram(
  command: string,
  args: string[],
  { port, cwd, log, signal }: { port: number; cwd?: string; log?: string; signal?: NodeJS.Signals },
): Promise<Program> {
  const err = log === undefined ? "inherit" : openSync(log, "a");
  const child = spawn(command, args, { stdio: ["ignore", "ignore", err], cwd });
  if (typeof err === "number") closeSync(err);
  running.add(child);
  let how: string | null = null;
  const ended = once(child, "exit").then(
    ([code, signal]) => `ended with ${signal ?? code}`,
    (error) => String(error),
  );
  void ended.then((words) => {
    running.delete(child);
    how = words;
  });
  for (let waited = 0; !(await isListening(port)); waited += 20) {
    if (how !== null || waited > READY_WITHIN) throw new Error(`${command} ${how ?? "is not ready in time"}`);
    await sleep(20);
  }
  return { pid: child.pid!, stop: () => end(child, ended, signal) };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** A port of this machine that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Ends whatever was started and still runs: for the way out after an error or Ctrl-C. */
export function killChildren(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Has killChildren() end this one as well, until the returned function is called. */
export function killLater(child: ChildProcess): () => void {
  running.add(child);
  return () => void running.delete(child);
}

/** Linux keeps the peak of a process (proc_pid_status(5), VmHWM); elsewhere there is none to be had from outside. */
function readPeak(pid: number): number | null {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}

/** Whether a program can be run at all, whatever it says to `arg`. */
export async function isThere(command: string, arg: string): Promise<boolean> {
  const error = await runProgram(command, [arg]).catch((error) => error);
  return error?.code !== "ENOENT";
}

/** Runs a program to its end and returns what it printed. Rejects with its last words when it fails. */
export async function runProgram(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
  cwd?: string,
): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env, cwd });
  running.add(child);
  let printed = "";
  let words = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    words += text;
  });
  try {
    const [code] = await once(child, "close");
    if (code === 0) return printed;
  } finally {
    running.delete(child);
  }
  throw new Error(`${command} failed: ${(words || printed).trim().split("\n").at(-1)}`);
}
