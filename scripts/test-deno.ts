import { type ChildProcess, spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { findDeno } from "./deno.ts";
import { isDated, underOtherClock, ZONES } from "./other-clock.ts";
import { ROOT } from "./root.ts";

// npm run test:deno -- [--ahead] [--minutes N] [test files]: the tests on the Deno that the lock file brings. Types are tsc's business.
// --ahead: under another clock and in another zone, those that a date may mean something to (other-clock.ts).
// --minutes: what has not ended by then is left out; it says how many files are.

/** Files that run side by side, each in a process of its own, as on Node. Most tests wait more than they compute. */
const AT_ONCE = Math.max(6, availableParallelism());

/** A file that takes longer has stopped: it is ended, and fails. The longest takes under a minute. Milliseconds. */
const LONGEST = 8 * 60_000;

const deno = findDeno() ?? "deno";
const { values: options, positionals: named } = parseArgs({
  allowPositionals: true,
  options: { ahead: { type: "boolean", default: false }, minutes: { type: "string", default: "Infinity" } },
});
const until = performance.now() + Number(options.minutes) * 60_000;
/** What is written for each runtime, or reaches far into it: it comes first, where time may run out. */
const isNear = (file: string) => /^test\/(platform|store|targets|receive|forward|mirror|relay)\//.test(file);
const found = globSync("test/**/*.test.ts", { cwd: ROOT }).sort();
const files = named.length > 0 ? named : [...found.filter(isNear), ...found.filter((file) => !isNear(file))];
/** Files that failed, and what Deno said of it. */
const failed = new Map<string, string>();
const counts = { passed: 0, failed: 0, ignored: 0 };
const leftOut: string[] = [];

/** Runs one file; prints what it printed when it has ended. */
async function run(file: string): Promise<void> {
  const plain = { program: deno, args: ["test", "-A", "--no-check", "--quiet", file], env: process.env };
  const command = options.ahead && isDated(file) ? underOtherClock(plain.program, plain.args, ZONES[0]!) : plain;
  const child = spawn(command.program, command.args, {
    cwd: ROOT,
    env: command.env,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, which ends together with what the tests have started.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const timer = setTimeout(
    () => {
      output += `\n${file} has not ended after ${LONGEST / 60_000} minutes\n`;
      endGroup(child);
    },
    Math.min(LONGEST, until - performance.now()),
  );
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", (status) => resolve(status));
    child.on("error", (error) => {
      output += `${command.program} cannot be started: ${error.message}; run npm ci first, and install faketime for --ahead\n`;
      resolve(null);
    });
  });
  clearTimeout(timer);
  if (code === null && performance.now() >= until) return void leftOut.push(file);
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
    while (waiting.length > 0 && performance.now() < until) await run(waiting.shift()!);
  }),
);
leftOut.push(...waiting);
const ran = files.length - leftOut.length;
console.log(`Deno: ${counts.passed} passed, ${counts.failed} failed, ${counts.ignored} ignored in ${ran} files`);
if (leftOut.length > 0) console.log(`${leftOut.length} files were left out after ${options.minutes} minutes`);
// Said last: the end of a long log is what is read.
for (const [file, errors] of failed) console.error(`Failed on Deno: ${file}\n${errors}`);
process.exitCode = failed.size > 0 ? 1 : 0;
