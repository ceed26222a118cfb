import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, rmSync } from "node:fs";
import type { TestContext } from "node:test";

/** How long the opens of a pipe may wait, in milliseconds, and how often it has a writer from then on. */
const PATIENCE = 20_000;
const EVERY = 100;

/**
 * A pipe of this name (mkfifo(1)), in place of what is there, that has no writer: who opens it to read waits. After a while
 * it has one now and then, so that a test that is red comes to an end; `hadWriter` says whether it had.
 */
export function makePipe(t: Pick<TestContext, "after">, path: string): { hadWriter(): boolean } {
  rmSync(path, { force: true });
  execFileSync("mkfifo", [path]);
  let writers = 0;
  let timer = setTimeout(function write() {
    writers++;
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    timer = setTimeout(write, EVERY);
  }, PATIENCE);
  t.after(() => clearTimeout(timer));
  return { hadWriter: () => writers > 0 };
}
