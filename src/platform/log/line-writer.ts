import { constants, fstatSync, openSync } from "node:fs";
import process from "node:process";
import { Writable } from "node:stream";
import { setTimeout as startTimer } from "node:timers";
import { setTimeout as wait } from "node:timers/promises";
import { isatty } from "node:tty";

/** The most bytes of waiting lines; further lines are dropped and counted. */
const MAX_WAITING = 2 ** 20;

/** Bytes of one write: PIPE_BUF, which a pipe takes atomically (pipe(7)). Deno does not report partial writes. */
const PER_WRITE = 4096;

/** Cuts a line into the pieces of its writes: 1,024 characters have at most `PER_WRITE` bytes. */
const PIECES = /.{1,1024}/gsu;

/** Pause before the next try of a write that failed, in milliseconds. */
const PAUSE = 50;

/** `put` is false where the line was dropped. */
type Sink = { put(line: string): boolean; isBehind(): boolean };

/**
 * Writes lines to file descriptor `fd` without waiting for their reader. It does not keep the process alive: flush before the
 * end.
 */
export async function openLines(fd: number) {
  const sink = await openSink(fd);
  let lost = 0;
  return {
    /**
     * The line is written when this returns, as long as the reader keeps up; else it waits, or is dropped. `worth` is added to
     * `takeLost` when it is dropped. Never throws.
     */
    write(line: string, worth: number): void {
      if (!sink.put(line)) lost += worth;
    },

    /** The sum of the dropped lines' `worth` since the last call. */
    takeLost(): number {
      const taken = lost;
      lost = 0;
      return taken;
    },

    /** Resolves when no line waits, after `ms` milliseconds at the latest. */
    async flush(ms: number): Promise<void> {
      for (let left = ms; sink.isBehind() && left > 0; left -= PAUSE) await wait(PAUSE);
    },
  };
}

/**
 * How `fd` is written to without waiting. A file takes all bytes. A pipe or a terminal is opened once more, to set O_NONBLOCK
 * for this process alone (it belongs to the open file description, which is shared; open(2)). What cannot be reopened, like a
 * socket, has O_NONBLOCK from Node, once it makes `process.stdout` (docs.libuv.org/en/v1.x/pipe.html#c.uv_pipe_open). Deno
 * neither sets it nor reports partial writes, so there all but pipes are written to in the background.
 */
async function openSink(fd: number): Promise<Sink> {
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isSocket() && !isatty(fd)) return writeAtOnce(fd);
  const isDeno = process.versions.deno !== undefined;
  const own = isDeno && !stats.isFIFO() ? null : reopen(fd);
  if (own !== null) return writeAtOnce(own);
  if (isDeno) return writeInBackground(fd === 2 ? "stderr" : "stdout");
  void (fd === 2 ? process.stderr : process.stdout);
  return writeAtOnce(fd);
}

function reopen(fd: number): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return null;
  }
}

/** What a write does not take, also because its disk is full, is written with the next line, or after a pause. */
async function writeAtOnce(dest: number): Promise<Sink> {
  const { pino } = await import("pino");
  let isBehind = false;
  let isDropped = false;
  let isPausing = false;
  // Without `retryEAGAIN` it would block until the reader takes more.
  const limits = { maxWrite: PER_WRITE, retryEAGAIN: () => false };
  const out: ReturnType<typeof pino.destination> & { maxLength?: number } = pino.destination({
    dest,
    sync: true,
    ...limits,
  });

  function put(line: string): boolean {
    isBehind = isDropped = false;
    // A line is dropped whole, by its first piece; nothing else is bounded.
    const [first = "", ...rest] = line.match(PIECES) ?? [];
    out.maxLength = MAX_WAITING;
    out.write(first);
    out.maxLength = 0;
    if (!isDropped) for (const piece of rest) out.write(piece);
    return !isDropped;
  }

  function tryAgain(): void {
    isPausing = isBehind = false;
    out.write("");
  }

  // pino's own listener ends the log when its reader goes, though another may open the same pipe.
  out.removeAllListeners("error");
  out.on("error", () => {
    isBehind = true;
    if (!isPausing) startTimer(tryAgain, PAUSE).unref();
    isPausing = true;
  });
  out.on("drop", () => {
    isBehind = isDropped = true;
  });
  return { put, isBehind: () => isBehind };
}

/** By Deno's own API: its `fs.write` blocks. A write that fails loses its line. */
function writeInBackground(name: "stdout" | "stderr"): Sink {
  type Streams = Record<typeof name, { write(bytes: Uint8Array): Promise<number> }>;
  const stream = (globalThis as unknown as { Deno: Streams }).Deno[name];
  const out = new Writable({
    async write(line: Buffer, _encoding, done) {
      for (let at = 0; at < line.length; ) at += await stream.write(line.subarray(at)).catch(() => line.length);
      done();
    },
  });
  return {
    put(line) {
      if (out.writableLength + Buffer.byteLength(line) > MAX_WAITING) return false;
      out.write(line);
      return true;
    },
    isBehind: () => out.writableLength > 0,
  };
}
