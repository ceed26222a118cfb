import { type ChildProcess, spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { findDeno } from "./deno.ts";
import { ROOT } from "./root.ts";

// npm run test:deno -- [test files]: the tests on the Deno that the lock file brings. Types are tsc's business.

/** Files that run side by side, each in a process of its own, as on Node. Most tests wait more than they compute. */
const AT_ONCE = Math.max(6, availableParallelism());

/** A file that takes longer has stopped: it is ended, and fails. The longest takes under a minute. Milliseconds. */
const LONGEST = 8 * 60_000;

const deno = findDeno() ?? "deno";
const named = process.argv.slice(2);
const files = named.length > 0 ? named : globSync("test/**/*.test.ts", { cwd: ROOT }).sort();
/** Files that failed, and what Deno said of it. */
const failed = new Map<string, string>();
const counts = { passed: 0, failed: 0, ignored: 0 };

/** Runs one file; prints what it printed when it has ended. */
async function run(file: string): Promise<void> {
  const child = spawn(deno, ["test", "-A", "--no-check", "--quiet", file], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, which ends together with what the tests have started.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const timer = setTimeout(() => {
    output += `\n${file} has not ended after ${LONGEST / 60_000} minutes\n`;
    endGroup(child);
  }, LONGEST);
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", (status) => resolve(status));
    child.on("error", (error) => {
      output += `Deno cannot be started: ${error.message}; run npm ci first\n`;
      resolve(null);
    });
  });
  clearTimeout(timer);
  for (const name of ["passed", "failed", "ignored"] as const) {
    counts[name] += Number(new RegExp(`(\\d+) ${name}`).exec(output.slice(-400))?.[1] ?? 0);
  }
  if (code !== 0) failed.set(file, output.slice(Math.max(0, output.indexOf(" ERRORS "))));
  process.stdout.write(output);
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

const waiting = [...files];
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await run(file);
  }),
);
console.log(
  `Deno: ${counts.passed} passed, ${counts.failed} failed, ${counts.ignored} ignored in ${files.length} files`,
);
// Said last: the end of a long log is what is read.
for (const [file, errors] of failed) console.error(`Failed on Deno: ${file}\n${errors}`);
process.exitCode = failed.size > 0 ? 1 : 0;
