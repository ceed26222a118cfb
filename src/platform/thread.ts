import { Worker } from "node:worker_threads";
import { compileCacheEnvironment } from "./compile-cache.ts";
import { packed } from "./packed.ts";

/**
 * Starts a thread with a module of this program as its program. `source`: its file from source; in the packed program, which
 * is one file, the module is found by `program`. `name`: by which the system shows the thread.
 */
export function startThread(program: string, source: () => URL, name: string): Worker {
  // Options of the process that a thread does not take (--test, --watch) are not handed on.
  const options = { name, execArgv: [], env: compileCacheEnvironment() };
  return packed === null
    ? new Worker(source(), options)
    : new Worker(packed.thread(program), { ...options, eval: true });
}
