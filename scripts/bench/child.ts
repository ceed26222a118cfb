import process from "node:process";

/** The other end of processes.ts: what every server of the bench does beside its work. */

/** The settings that the bench gave to this process. */
export function readSettings<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}") as T;
}

/**
 * Tells the bench that the work can begin, answers its questions, and ends with it: at SIGTERM, and when the bench is
 * gone, `close` runs and the process exits. Every child can be asked for "cpu": the microseconds it has used.
 */
export function reportReady(given: {
  ready: unknown;
  answers?: Record<string, () => unknown>;
  close?: () => unknown;
}): void {
  const { close, ready } = given;
  const answers: Record<string, () => unknown> = { cpu: usedMicroseconds, ...given.answers };
  let closing = false;
  const end = async () => {
    if (closing) return;
    closing = true;
    await close?.();
    process.exit(0);
  };
  process.on("SIGTERM", end);
  process.on("disconnect", end);
  process.on("message", async (question: string) => {
    process.send?.({ kind: question, value: await answers[question]?.() });
  });
  process.send?.({ kind: "ready", value: ready });
}

function usedMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
