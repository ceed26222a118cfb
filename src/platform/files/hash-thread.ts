import type { FileHandle } from "node:fs/promises";
import { setTimeout as startTimer } from "node:timers";
import { Worker } from "node:worker_threads";

/** The thread ends after it was idle for this long, in milliseconds. */
const IDLE = 10_000;

/** The sha256 of one file, which may still grow, computed by the thread. */
export type Following = {
  /** The file's first `length` bytes are written and do not change any more. `length` never falls. */
  written(length: number): void;
  /**
   * The sha256 (hex) of the first `length` bytes of `file`, all of which are written; to be called once. Null when the thread
   * failed, or the file was dropped meanwhile: the caller computes it then.
   */
  sum(file: FileHandle, length: number): Promise<string | null>;
  /** Gives up. May be called at any time, and more than once. */
  drop(): void;
};

/** One thread for all files, started with the first. */
export type Hasher = {
  /** Begins with the file at this path, which exists and is no symbolic link. Never throws. */
  follow(path: string): Following;
  /** Ends the thread. Unfinished sums become null; a later `follow` starts another thread. */
  close(): Promise<void>;
};

type Made = { sum: string; dev: bigint; ino: bigint };
type Message = { id: number; made: Made | null };

/**
 * Hashes files off the main thread, which serves the network: at a gigabyte a second, hashing limits concurrent downloads.
 * The thread reads what was just written from the system's cache. It keeps the process alive only while a sum is awaited.
 * `idle` (milliseconds) and `onStart`, which gets the thread, are for tests.
 */
export function openHasher({ idle = IDLE, onStart }: { idle?: number; onStart?(thread: Worker): void } = {}): Hasher {
  const under = new Map<number, (made: Made | null) => void>();
  let thread: Worker | null = null;
  let timer: NodeJS.Timeout | null = null;
  let ids = 0;
  let waiting = 0;

  function start(): Worker {
    const started = new Worker(CODE, { eval: true, name: "hashing", execArgv: [], resourceLimits: LIMITS });
    started.on("message", ({ id, made }: Message) => under.get(id)?.(made));
    started.on("error", () => lose(started)); // Out of memory, for example.
    started.on("exit", () => lose(started));
    onStart?.(started);
    started.unref(); // Last, because a listener refs the thread again.
    return started;
  }

  function lose(lost: Worker): void {
    if (thread !== lost) return;
    thread = null;
    for (const settle of [...under.values()]) settle(null);
  }

  function rest(): void {
    if (under.size > 0 || thread === null) return;
    timer = startTimer(() => void close(), idle).unref();
  }

  async function close(): Promise<void> {
    const ended = thread;
    if (ended === null) return;
    lose(ended);
    await ended.terminate();
  }

  return {
    follow(path) {
      if (timer !== null) clearTimeout(timer);
      const id = ++ids;
      const { promise, resolve } = Promise.withResolvers<Made | null>();
      try {
        thread ??= start();
      } catch {
        return { written() {}, sum: async () => null, drop() {} };
      }
      const mine = thread;
      let isOver = false;
      under.set(id, (made) => {
        isOver = true;
        under.delete(id);
        resolve(made);
        rest();
      });
      mine.postMessage({ id, path });

      return {
        written(length) {
          if (!isOver) mine.postMessage({ id, written: length });
        },

        async sum(file, length) {
          if (!isOver) mine.postMessage({ id, written: length, total: length });
          waiting++;
          thread?.ref();
          const made = await promise;
          if (--waiting === 0) thread?.unref();
          if (made === null) return null;
          // It was opened by its path: another file may have taken its place there.
          const { dev, ino } = await file.stat({ bigint: true });
          return made.dev === dev && made.ino === ino ? made.sum : null;
        },

        drop() {
          if (isOver) return;
          mine.postMessage({ id, dropped: true });
          under.get(id)?.(null);
        },
      };
    },
    close,
  };
}

/** The thread needs little memory; without limits V8 lets its heap grow as large as the program's. */
const LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 };

/**
 * The thread's program: CommonJS as text, because a build is one file. Files take turns of a few steps, so that a long one
 * does not delay the others, and a drop is noticed. A file that cannot be read, or ends too early, is answered with null.
 */
const CODE = `
const { parentPort } = require("node:worker_threads");
const { closeSync, constants, fstatSync, openSync, readSync } = require("node:fs");
const { createHash } = require("node:crypto");

const STEPS = 8;
const piece = Buffer.allocUnsafeSlow(2 ** 18);
const files = new Map();
let isWorking = false;

function end(id, made) {
  const { fd } = files.get(id);
  files.delete(id);
  if (fd !== null) closeSync(fd);
  parentPort.postMessage({ id, made });
}

function go(id, file) {
  try {
    file.fd ??= openSync(file.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    for (let step = 0; step < STEPS && file.at < file.written; step++) {
      const read = readSync(file.fd, piece, 0, Math.min(piece.length, file.written - file.at), file.at);
      if (read === 0) throw new Error("the file ends early");
      file.hash.update(piece.subarray(0, read));
      file.at += read;
    }
    if (file.at !== file.total) return;
    const { dev, ino } = fstatSync(file.fd, { bigint: true });
    end(id, { sum: file.hash.digest("hex"), dev, ino });
  } catch {
    end(id, null);
  }
}

function work() {
  for (const [id, file] of [...files]) if (isDue(file)) go(id, file);
  isWorking = [...files.values()].some(isDue);
  if (isWorking) setImmediate(work);
}

const isDue = ({ at, written, total }) => at < written || at === total;

parentPort.on("message", ({ id, path, written, total, dropped }) => {
  if (path !== undefined) {
    files.set(id, { path, fd: null, hash: createHash("sha256"), at: 0, written: 0, total: null });
    return;
  }
  const file = files.get(id);
  if (file === undefined) return;
  if (dropped) return end(id, null);
  file.written = written;
  file.total = total ?? null;
  if (isWorking) return;
  isWorking = true;
  setImmediate(work);
});
`;
