import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { killLater } from "../processes.ts";
import type { Line } from "./programs.ts";

/** How soon somebody who was refused asks again, and how long that goes on; milliseconds. */
const AGAIN = 1;
const WITHIN = 20_000;

/** The kernel's unit of processor time: a hundredth of a second everywhere (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const TICK = 10;

/** A server from the moment on that it was started. */
export type Started = {
  /** Milliseconds from the start to the first answered GET /healthz, and to the first 200 of a webhook. */
  healthy: number;
  first: number;
  /** Milliseconds of processor time so far, of all threads; null where the system does not tell. */
  usedCpu(): number | null;
  /** Bytes; null where the system does not tell. */
  memory(): number | null;
  stop(): Promise<void>;
};

/** Runs a program to its end. Resolves with the milliseconds that it took. */
export async function timeRun([command, ...args]: Line): Promise<number> {
  const begun = performance.now();
  const child = spawn(command, args, { stdio: "ignore" });
  const release = killLater(child);
  const [code] = await once(child, "exit");
  const took = performance.now() - begun;
  release();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return took;
}

/** Starts a server, and asks it from then on until it answers, and has taken the webhook where there is one. */
export async function startServer([command, ...args]: Line, port: number, body: Uint8Array | null): Promise<Started> {
  const begun = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  const release = killLater(child);
  const ended = once(child, "exit").finally(release);
  const answered = async (method: string, path: string, what?: Uint8Array) => {
    while (!(await isAnswered(port, method, path, what))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${command} ended before it was ready`);
      if (performance.now() - begun > WITHIN) throw new Error(`${command} does not answer ${method} ${path}`);
      await sleep(AGAIN);
    }
    return performance.now() - begun;
  };
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  try {
    const healthy = await answered("GET", "/healthz");
    const first = body === null ? Number.NaN : await answered("POST", "/webhooks/wochit", body);
    return { healthy, first, usedCpu: () => readCpu(child), memory: () => readMemory(child), stop };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function isAnswered(port: number, method: string, path: string, body?: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json" };
    const asked = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode === 200));
    });
    asked.on("error", () => resolve(false));
    asked.end(body);
  });
}

function readCpu({ pid }: ChildProcess): number | null {
  // The second field is a name in brackets, and may hold anything; utime and stime are the 14th and 15th of all.
  const fields = readProc(pid, "stat")
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields === undefined ? null : (Number(fields[11]) + Number(fields[12])) * TICK;
}

function readMemory({ pid }: ChildProcess): number | null {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, "status") ?? "")?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

function readProc(pid: number | undefined, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return null;
  }
}
