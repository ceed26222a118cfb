import { Worker } from "node:worker_threads";
import { compileCacheEnvironment } from "./compile-cache.ts";
import { packed } from "./packed.ts";

/** Threads that have not ended, and their names. */
const running = new Map<Worker, string>();

/**
 * Starts a thread with a module of this program as its program. `source`: its file from source; in the packed program, which
 * is one file, the module is found by `program`. `name`: by which the system shows the thread.
 */
export function startThread(program: string, source: () => URL, name: string): Worker {
  // Options of the process that a thread does not take (--test, --watch) are not handed on.
  const options = { name, execArgv: [], env: compileCacheEnvironment() };
  const thread =
    packed === null ? new Worker(source(), options) : new Worker(packed.thread(program), { ...options, eval: true });
  noteThread(thread, name);
  return thread;
}

/** For `endThreads`, of a thread that was made elsewhere: at its end Node waits for every thread. */
export function noteThread(thread: Worker, name: string): void {
  running.set(thread, name);
  thread.once("exit", () => running.delete(thread));
}

/**
 * Ends all threads, for the end of the process: their listeners are removed, so that it is no error. It returns at once; a
 * thread inside a call of the system, a sync for example, ends when that returns.
 */
export function endThreads(): void {
  for (const thread of running.keys()) {
    const ended = () => running.delete(thread);
    thread.removeAllListeners();
    thread.on("error", () => {});
    thread.once("exit", ended);
    // A runtime may emit no event of a thread that ends.
    void thread.terminate().then(ended);
  }
}

/** The names of the threads that have not ended. */
export function runningThreads(): string[] {
  return [...running.values()];
}
