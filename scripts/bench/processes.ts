import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A server of the bench in a process of its own. */
export type Child<Ready> = {
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
 * Starts a script of this folder under the same Node, with `settings` as its only argument. Its standard output goes to
 * the file `log`, or nowhere; what it says on stderr is shown. Rejects when it ends before it is ready.
 */
export async function startChild<Ready = { url: string }>(
  script: string,
  settings: unknown,
  options: { env?: Record<string, string>; log?: string; flags?: string[] } = {},
): Promise<Child<Ready>> {
  const out = options.log === undefined ? "ignore" : openSync(options.log, "a");
  const path = fileURLToPath(new URL(script, import.meta.url));
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
    ready,
    ask(question) {
      const answer = receive<never>(question, ANSWERS_WITHIN);
      child.send(question);
      return answer;
    },
    peakMemory: () => readPeak(child.pid!),
    async stop() {
      if (!running.has(child)) return;
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), ENDS_WITHIN);
      await ended;
      clearTimeout(kill);
    },
  };
}

/** Ends whatever was started and still runs: for the way out after an error or Ctrl-C. */
export function killChildren(): void {
  for (const child of running) child.kill("SIGKILL");
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

/** Runs a program to its end and returns what it printed. Rejects with its last words when it fails. */
export async function runProgram(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
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
