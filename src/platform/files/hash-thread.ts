import type { FileHandle } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { noteThread } from "../thread.ts";

/** The sha256 of one file, which may still grow, computed by a thread. */
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

type Made = { sum: string; dev: bigint; ino: bigint };

/**
 * Hashes the file at this path, which exists and is no symbolic link, off the main thread, which serves the network: at a
 * gigabyte a second, hashing limits concurrent downloads. A thread costs some 25 ms of a processor and 3 MB. It reads what was
 * just written from the system's cache, and keeps the process alive only while a sum is awaited. Never throws. `onStart`,
 * which gets the thread, is for tests.
 */
export function followFile(path: string, onStart?: (thread: Worker) => void): Following {
  const { promise, resolve } = Promise.withResolvers<Made | null>();
  let thread: Worker;
  try {
    const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 };
    thread = new Worker(CODE, { eval: true, name: "hashing", execArgv: [], resourceLimits: limits, workerData: path });
  } catch {
    return { written() {}, sum: async () => null, drop() {} };
  }
  const drop = () => {
    resolve(null);
    void thread.terminate();
  };
  noteThread(thread, "hashing");
  thread.on("message", resolve);
  thread.on("error", drop); // Out of memory, for example.
  thread.on("exit", drop);
  onStart?.(thread);
  thread.unref(); // Last, because a listener refs the thread again.
  return {
    written: (length) => thread.postMessage({ written: length }),

    async sum(file, length) {
      thread.postMessage({ written: length, isAll: true });
      thread.ref();
      const made = await promise;
      drop();
      if (made === null) return null;
      // It was opened by its path: another file may have taken its place there.
      const { dev, ino } = await file.stat({ bigint: true });
      return made.dev === dev && made.ino === ino ? made.sum : null;
    },

    drop,
  };
}

/**
 * The thread's program: CommonJS as text, because a build is one file. A file that cannot be read, or ends too early, is
 * answered with null.
 */
const CODE = `
const { parentPort, workerData: path } = require("node:worker_threads");
const { constants, fstatSync, openSync, readSync } = require("node:fs");
const hash = require("node:crypto").createHash("sha256");

const piece = Buffer.allocUnsafeSlow(2 ** 18);
let fd = null;
let at = 0;

parentPort.on("message", ({ written, isAll }) => {
  try {
    fd ??= openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    while (at < written) {
      const read = readSync(fd, piece, 0, Math.min(piece.length, written - at), at);
      if (read === 0) throw new Error("the file ends early");
      hash.update(piece.subarray(0, read));
      at += read;
    }
    if (!isAll) return;
    const { dev, ino } = fstatSync(fd, { bigint: true });
    parentPort.postMessage({ sum: hash.digest("hex"), dev, ino });
  } catch {
    parentPort.postMessage(null);
  }
});
`;
