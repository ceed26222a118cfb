import { constants, fstatSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { setTimeout as startTimer } from "node:timers";
import { isatty } from "node:tty";
import { Worker } from "node:worker_threads";

/** The most bytes of waiting lines; further lines are dropped and counted. */
const MAX_WAITING = 2 ** 20;

/** Bytes taken from the queue at once: the capacity of a pipe on Linux (pipe(7)). */
const PER_BATCH = 2 ** 16;

/** Bytes of one write: PIPE_BUF, which a pipe takes atomically (pipe(7)). */
const PER_WRITE = 4096;

/** Pause between writes while the reader is slow, in milliseconds; doubled up to the second while it reads nothing. */
const SHORTEST_PAUSE = 5;
const LONGEST_PAUSE = 200;

/** Writes lines to a file descriptor without waiting for their reader. */
export type Lines = {
  /**
   * The line is written when this returns, as long as the reader keeps up; else it waits, or is dropped. `worth` is added to
   * `takeLost` when it is dropped. Never throws.
   */
  write(line: string, worth: number): void;
  /** The sum of the dropped lines' `worth` since the last call. */
  takeLost(): number;
  /** Resolves when no line waits, after `ms` milliseconds at the latest. */
  flush(ms: number): Promise<void>;
};

/** `put` returns the number of bytes taken, which is less while the reader is slow; it throws the error of the write. */
type Sink = { put(bytes: Uint8Array, worth: number): number; isIdle(): boolean };

type Feedback = { free(): void; lose(worth: number): void };

type Waiting = { bytes: Uint8Array; worth: number };

/** Lines to file descriptor `fd`. It does not keep the process alive: flush before the end. */
export function openLines(fd: number): Lines {
  let waiting: Waiting[] = [];
  let size = 0;
  let lost = 0;
  let timer: NodeJS.Timeout | null = null;
  let pause = SHORTEST_PAUSE;
  let flushed: (() => void)[] = [];
  const lose = (worth: number) => {
    lost += worth;
  };
  const sink = openSink(fd, { free: drain, lose });

  /** The number of bytes taken; all where the write failed, which loses the line. */
  function put({ bytes, worth }: Waiting): number {
    try {
      return sink.put(bytes, worth);
    } catch {
      lose(worth);
      return bytes.length;
    }
  }

  /** The waiting lines of one write. */
  function nextBatch(): { batch: Waiting; lines: number } {
    let lines = 0;
    let bytes = 0;
    let worth = 0;
    while (lines < waiting.length && (lines === 0 || bytes + waiting[lines]!.bytes.length <= PER_BATCH)) {
      bytes += waiting[lines]!.bytes.length;
      worth += waiting[lines++]!.worth;
    }
    return { batch: { bytes: Buffer.concat(waiting.slice(0, lines).map((line) => line.bytes)), worth }, lines };
  }

  function drain(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    let hasTaken = false;
    while (waiting.length > 0) {
      const { batch, lines } = nextBatch();
      const taken = put(batch);
      hasTaken ||= taken > 0;
      consume(taken, lines);
      if (taken < batch.bytes.length) break;
    }
    pause = hasTaken ? SHORTEST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
    if (waiting.length > 0) {
      timer = startTimer(drain, pause).unref();
      return;
    }
    if (!sink.isIdle()) return;
    for (const resolve of flushed) resolve();
    flushed = [];
  }

  function consume(taken: number, lines: number): void {
    size -= taken;
    let rest = taken;
    let whole = 0;
    while (whole < lines && rest >= waiting[whole]!.bytes.length) rest -= waiting[whole++]!.bytes.length;
    waiting = waiting.slice(whole);
    if (rest > 0) waiting[0] = { ...waiting[0]!, bytes: waiting[0]!.bytes.subarray(rest) };
  }

  return {
    write(line, worth) {
      const bytes = Buffer.from(line);
      const taken = waiting.length === 0 ? put({ bytes, worth }) : 0;
      if (taken === bytes.length) return;
      if (size > 0 && size + bytes.length > MAX_WAITING) return lose(worth);
      waiting.push({ bytes: bytes.subarray(taken), worth });
      size += bytes.length - taken;
      timer ??= startTimer(drain, pause).unref();
    },

    takeLost() {
      const taken = lost;
      lost = 0;
      return taken;
    },

    flush(ms) {
      if (waiting.length === 0 && sink.isIdle()) return Promise.resolve();
      return new Promise((resolve) => {
        const late = startTimer(resolve, ms);
        flushed.push(() => {
          clearTimeout(late);
          resolve();
        });
        drain();
      });
    },
  };
}

/**
 * How `fd` is written to without waiting. A file takes all bytes. A pipe or a terminal is opened once more, to set O_NONBLOCK
 * for this process alone (it belongs to the open file description, which is shared; open(2)). What cannot be reopened, like a
 * socket, has O_NONBLOCK from Node, once it makes `process.stdout` (docs.libuv.org/en/v1.x/pipe.html#c.uv_pipe_open). Deno
 * neither sets it nor reports partial writes, so there a thread writes to all but pipes.
 */
function openSink(fd: number, feedback: Feedback): Sink {
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isSocket() && !isatty(fd)) return writeWhole(fd);
  const isDeno = process.versions.deno !== undefined;
  const own = isDeno && !stats.isFIFO() ? null : reopen(fd);
  if (own !== null) return writeSome(own);
  if (isDeno) return writeOnThread(fd, feedback);
  void (fd === 2 ? process.stderr : process.stdout);
  return writeSome(fd);
}

function reopen(fd: number): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return null;
  }
}

/** A write to a full disk may be partial: the next line begins with a line break then. */
function writeWhole(fd: number): Sink {
  let isTorn = false;
  return {
    put(bytes) {
      let at = 0;
      try {
        if (isTorn) writeSync(fd, "\n");
        isTorn = false;
        while (at < bytes.length) at += writeSync(fd, bytes, at);
      } catch (error) {
        isTorn ||= at > 0;
        throw error;
      }
      return at;
    },
    isIdle: () => true,
  };
}

function writeSome(fd: number): Sink {
  return {
    put(bytes) {
      let at = 0;
      try {
        while (at < bytes.length) at += writeSync(fd, bytes, at, Math.min(PER_WRITE, bytes.length - at));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      return at;
    },
    isIdle: () => true,
  };
}

/** One write at a time, on a thread that may block. It does not keep the process alive. */
function writeOnThread(fd: number, { free, lose }: Feedback): Sink {
  let isBusy = false;
  let thread: Worker | null = start(); // At once, because lines wait until it runs.

  function start(): Worker {
    const started = new Worker(THREAD, { eval: true, name: "log", workerData: fd });
    started.on("message", (lost: number) => {
      isBusy = false;
      lose(lost);
      free();
    });
    started.on("error", () => {
      thread = null;
      isBusy = false;
      free();
    });
    started.unref();
    return started;
  }

  return {
    put(bytes, worth) {
      if (isBusy) return 0;
      thread ??= start();
      thread.postMessage({ bytes, worth });
      isBusy = true;
      return bytes.length;
    },
    isIdle: () => !isBusy,
  };
}

/** CommonJS as text, because a build is one file. It answers each write with the `worth` that was lost. */
const THREAD = `
const { writeSync } = require("node:fs");
const { parentPort, workerData: fd } = require("node:worker_threads");

parentPort.on("message", ({ bytes, worth }) => {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    parentPort.postMessage(0);
  } catch {
    parentPort.postMessage(worth);
  }
});
`;
