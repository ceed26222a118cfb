import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { hear } from "./heard.ts";

/** `serve` as a process of its own: this very runtime (Node or Deno) runs src/main.ts as a user would. */
export type ServeProcess = {
  pid: number;
  /** Resolves when `/healthz` answers; rejects, with what it wrote, when the process ends first or `ms` pass. */
  ready(ms?: number): Promise<void>;
  /** How it ended. */
  ended: Promise<Ending>;
  hasEnded(): boolean;
  /** kill -9, and waits until it is gone. */
  kill(): Promise<Ending>;
  /** SIGTERM, and waits until it has ended by itself; after `ms` it is killed, which `signal` then tells. */
  stop(ms?: number): Promise<Ending & { ms: number }>;
  /** The last lines that it wrote, stdout and stderr together. */
  lastLines(): string[];
};

export type Ending = { code: number | null; signal: NodeJS.Signals | null };

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const KEPT_LINES = 40;
/** A longer line is cut: a log line never is that long, and a hostile payload must not fill the memory. */
const LONGEST_LINE = 4_000;

/**
 * Starts it. `onLine` sees every line that it writes; `env` comes on top of this process's own; `openFiles` is its limit of
 * open files.
 */
export function spawnServe(options: {
  configPath: string;
  port: number;
  cwd?: string;
  env?: Record<string, string>;
  onLine?: (line: string) => void;
  openFiles?: number;
  /** In the place of src/main.ts. */
  main?: string;
}): ServeProcess {
  const args = [
    ...("Deno" in globalThis ? ["run", "-A"] : []),
    options.main ?? MAIN,
    "serve",
    "--config",
    options.configPath,
  ];
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const limit = `ulimit -n ${options.openFiles} && exec "$0" "$@"`;
  const [command, ...before] =
    options.openFiles === undefined ? [process.execPath] : ["sh", "-c", limit, process.execPath];
  const child = spawn(command!, [...before, ...args], {
    cwd: options.cwd,
    env: { ...inherited, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (line) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      options.onLine?.(line);
    });
  }
  hear(`serve, process ${child.pid}`, () => lines);
  // A test run that breaks must not leave it behind.
  const killNow = () => send("SIGKILL");
  process.once("exit", killNow);
  let ending: Ending | null = null;
  /** Not by child.kill: after that Deno tells the signal that was sent, not how the process ended. */
  function send(signal: NodeJS.Signals): void {
    if (ending !== null || child.pid === undefined) return;
    try {
      process.kill(child.pid, signal);
    } catch {
      // It ended this very moment.
    }
  }
  const ended = new Promise<Ending>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      if (ending !== null) return;
      ending = { code, signal };
      process.off("exit", killNow);
      resolve(ending);
    };
    child.once("exit", end);
    child.once("error", (error) => {
      lines.push(`not started: ${error.message}`);
      end(null, null);
    });
  });

  return {
    pid: child.pid ?? 0,
    ended,
    hasEnded: () => ending !== null,
    lastLines: () => [...lines],
    async ready(ms = 120_000) {
      const until = Date.now() + ms;
      for (;;) {
        if (ending !== null) throw new Error(`the relay ended before it was ready:\n${lines.slice(-8).join("\n")}`);
        if (await answers(options.port)) return;
        if (Date.now() > until)
          throw new Error(`the relay was not ready after ${ms} ms:\n${lines.slice(-8).join("\n")}`);
        await sleep(10);
      }
    },
    kill() {
      send("SIGKILL");
      return ended;
    },
    async stop(ms = 120_000) {
      const from = performance.now();
      send("SIGTERM");
      const late = setTimeout(() => send("SIGKILL"), ms);
      const how = await ended;
      clearTimeout(late);
      return { ...how, ms: Math.round(performance.now() - from) };
    },
  };
}

function readLines(stream: NonNullable<ChildProcess["stdout"]>, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!.slice(-LONGEST_LINE);
    for (const line of parts) take(line.slice(0, LONGEST_LINE));
  });
  stream.on("end", () => {
    if (rest !== "") take(rest);
  });
  stream.on("error", () => {});
}

/** Whether a relay answers on this port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ port, host: "127.0.0.1", path: "/healthz", agent: false, timeout: 10_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.end();
  });
}

/** A file for each port that a test process has chosen, with its pid. */
const CHOSEN = join(tmpdir(), "relay-ports");
const chosen: string[] = [];

/**
 * A port of 127.0.0.1 for a server that goes and comes back: below the ranges that systems take for outgoing
 * connections, or one of those would sooner or later sit on it while the server is away. Above 10080, which fetch refuses.
 * No other test process chooses it before this one has ended: a program that is to listen on it may take seconds to start.
 */
export async function lastingPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 11_000 + Math.floor(Math.random() * 19_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    if (choose(port)) return port;
  }
  throw new Error("found no free port");
}

/** False: another process has chosen it, which has not ended. */
function choose(port: number): boolean {
  const path = join(CHOSEN, String(port));
  mkdirSync(CHOSEN, { recursive: true });
  const by = existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
  if (by > 0 && isAlive(by)) return false;
  writeFileSync(path, String(process.pid));
  if (chosen.push(path) === 1)
    process.once("exit", () => {
      for (const each of chosen) rmSync(each, { force: true });
    });
  return true;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
