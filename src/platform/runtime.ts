import { fstatSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { Writable } from "node:stream";
import { arrayBuffer } from "node:stream/consumers";
import { errorLine, RelayError } from "../errors.ts";
import type { Clock, Random } from "../ports.ts";
import { endThreads, runningThreads } from "./thread.ts";

// The one place that uses time, randomness, signals and the process (ARCHITECTURE, rule 10); everything else gets them as
// arguments. `node:process` is the same in Node and Deno.

/** The longest timer of Node; a longer one fires at once (nodejs.org/api/timers.html#settimeoutcallback-delay-args). */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The machine's clock. A timer keeps the process alive until it fires or is canceled. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    elapsed: () => performance.now(),
    after(ms, run) {
      let rest = Math.max(0, Math.ceil(ms));
      let timer: ReturnType<typeof setTimeout>;
      const step = () => {
        const piece = Math.min(rest, LONGEST_TIMER);
        rest -= piece;
        timer = setTimeout(rest > 0 ? step : run, piece);
      };
      step();
      return () => clearTimeout(timer);
    },
  };
}

/**
 * Runs `run` after sockets were read and connections taken that have waited in the kernel until now: after a blocked event loop timers
 * run before that. On Deno immediates do, too, however many follow each other: only a timer lets it look at sockets.
 */
export function afterReads(run: () => void): void {
  setTimeout(() => setImmediate(run), 1);
}

/** `float` is for jitter only; `bytes` are fit for keys and ids. */
export function systemRandom(): Random {
  return { float: () => Math.random(), bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };
}

/** The process's environment, read once. */
export type Environment = ReturnType<typeof environment>;

export function environment() {
  return {
    env: process.env as Record<string, string | undefined>,
    cwd: process.cwd(),
    /** Without the runtime and the main file. */
    args: process.argv.slice(2),
    hostname: hostname(),
    platform: process.platform as string,
    pid: process.pid,
    /** Minutes east of UTC of the local zone ($TZ, else the machine's) at a moment. */
    utcOffset: (moment: number) => -new Date(moment).getTimezoneOffset(),
  };
}

/** A standard stream to write to. What is written after its reader has gone is dropped silently. */
export type Stream = {
  write(data: string | Uint8Array): void;
  /**
   * Resolves with true once the reader has taken enough that more may be written, however long that takes; with false when
   * the reader is gone, or the disk behind `>` is full.
   */
  drained(): Promise<boolean>;
  isTTY: boolean;
  /** `> FILE` on the command line. */
  isFile: boolean;
  columns: number;
};

export function standardStream(name: "stdout" | "stderr"): Stream {
  const stream = process[name];
  let isGone = false;
  let waiting: ((hasReader: boolean) => void)[] = [];
  function wake(): void {
    for (const resolve of waiting) resolve(!isGone);
    waiting = [];
  }
  stream.on("drain", wake);
  // `events list | head` closes the pipe early, which is no failure. A full disk behind `>` is one.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    const wasGone = isGone;
    isGone = true;
    wake();
    // Each write that was under way fails.
    if (error.code === "EPIPE" || wasGone) return;
    process.exitCode = 1;
    if (name === "stdout") process.stderr.write(`wochit-relay: the output cannot be written: ${errorLine(error)}\n`);
  });
  return {
    write: (data) => void (isGone || stream.write(data)),
    drained: async () =>
      isGone || !stream.writableNeedDrain
        ? !isGone
        : new Promise((resolve) => {
            waiting.push(resolve);
          }),
    isTTY: stream.isTTY === true,
    isFile: isFile(stream.fd),
    columns: stream.isTTY === true ? stream.columns || 80 : Number.POSITIVE_INFINITY,
  };
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/** Reads standard input to its end. */
export async function readStdin(): Promise<Uint8Array> {
  return new Uint8Array(await arrayBuffer(process.stdin));
}

/**
 * Asks on the terminal (stderr) and resolves with the line that is typed, which is not shown with `isHidden`; null without a
 * terminal. RelayError("conflict") at
 * Ctrl-C and Ctrl-D: what was asked for is not done.
 */
export async function askTerminal(question: string, { isHidden = false } = {}): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  const { createInterface } = await import("node:readline");
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: isHidden ? nowhere : process.stderr, terminal: true });
  if (isHidden) process.stderr.write(question);
  return new Promise((resolve, reject) => {
    const stopped = () => {
      process.stderr.write("\n");
      reject(new RelayError("conflict", "stopped at the question: nothing was done"));
    };
    lines.once("close", stopped);
    lines.question(question, (line) => {
      if (isHidden) process.stderr.write("\n");
      resolve(line);
      // Not all listeners: by one of its own it lets go of the terminal.
      lines.off("close", stopped);
      lines.close();
    });
  });
}

/**
 * How this program is started again as a process of its own: the packed binary alone, from source the runtime and the main
 * file. The command's own arguments come after `args`. Deno does not report its permissions, so it gets all of them.
 */
export function selfCommand(): { command: string; args: string[] } {
  const main = process.argv[1]!;
  // nodejs.org/api/single-executable-applications.html
  const isPacked = process.getBuiltinModule?.("node:sea")?.isSea?.() === true;
  if (isPacked) return { command: process.execPath, args: [] };
  const own = process.versions.deno === undefined ? process.execArgv : ["run", "-A"];
  return { command: process.execPath, args: [...own, main] };
}

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Calls back at these signals instead of their default action, until the returned function is called. */
export function onSignals(signals: Signal[], run: (signal: Signal) => void): () => void {
  const listeners = signals.map((signal) => ({ signal, listener: () => run(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}

/** Calls back with an uncaught error; the process is then in an unknown state and must end. */
export function onUncaught(run: (error: unknown) => void): void {
  process.on("uncaughtException", run);
  process.on("unhandledRejection", run);
}

/** How long the end of the process waits for what hangs, and how often it looks, in milliseconds. */
const HANG_PATIENCE = 500;
const LOOK_EVERY = 10;

/** Work in the pool of threads that Node joins at its end, as `process.getActiveResourcesInfo` names it: files, name lookups. */
const IN_POOL = /^(FSReq|FileHandle|GetAddrInfo|GetNameInfo)/;

/**
 * Ends the process once stdout and stderr are written, or have failed, whatever else is still open. It waits for a slow reader
 * without limit, or for `patience` milliseconds.
 *
 * `process.exit` waits for threads and for calls of the system: it never returns on a disk that does not answer. With `onHang`
 * the process ends nevertheless, by a signal, half a second later: by SIGTERM, which counts as a clean end (systemd.service(5),
 * "Restart="), where the code is 0, else by SIGKILL. `onHang` gets the names of what hangs just before.
 */
export function exit(
  code: number,
  { patience, onHang }: { patience?: number; onHang?: (hanging: string[]) => void } = {},
): void {
  process.exitCode = process.exitCode || code;
  let isEnding = false;
  // The error of the last write comes a turn after it.
  const end = () =>
    setImmediate(() => {
      if (onHang === undefined) process.exit();
      if (!isEnding) void endInTime(onHang);
      isEnding = true;
    });
  if (patience !== undefined) setTimeout(end, patience).unref();
  process.stdout.write("", () => process.stderr.write("", end));
}

async function endInTime(onHang: (hanging: string[]) => void): Promise<void> {
  endThreads();
  for (let left = HANG_PATIENCE; ; left -= LOOK_EVERY) {
    const calls = process.getActiveResourcesInfo?.().filter((name) => IN_POOL.test(name)) ?? [];
    const hanging = [...runningThreads().map((name) => `thread ${name}`), ...new Set(calls)];
    if (hanging.length === 0) process.exit();
    if (left <= 0) {
      onHang(hanging);
      endBySignal();
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}

function endBySignal(): never {
  try {
    if (process.exitCode === 0) {
      process.removeAllListeners("SIGTERM");
      process.kill(process.pid, "SIGTERM");
    }
    process.kill(process.pid, "SIGKILL");
  } catch {
    // Deno needs a permission to send a signal.
  }
  // The first process of a container takes no signal from itself.
  process.exit();
}

/** RelayError("unsupported") when this Node or Deno is too old for the relay or its database driver. */
export function assertRuntime(versions: Record<string, string | undefined> = process.versions): void {
  const [major = 0, minor = 0] = (versions.node ?? "0").split(".").map(Number);
  // better-sqlite3 13 crashes the process below Node-API 10, so this is checked before it is loaded.
  const suits = (major > 22 || (major === 22 && minor >= 19)) && Number(versions.napi) >= 10;
  if (versions.deno === undefined ? suits : Number(versions.napi) >= 10) return;
  throw new RelayError(
    "unsupported",
    `this is ${runtimeName(versions)}: wochit-relay needs Node 22.19 or newer, or Deno 2.9 or newer`,
  );
}

/** "Node 24.21.0" or "Deno 2.9.5". */
export function runtimeName(versions: Record<string, string | undefined> = process.versions): string {
  return versions.deno === undefined ? `Node ${versions.node}` : `Deno ${versions.deno}`;
}
