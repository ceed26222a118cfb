import { spawnSync } from "node:child_process";
import { accessSync, chmodSync, constants, globSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./root.ts";

// npm test -- [options of node --test] [test files]: the tests, long suites in their short form.
// npm run test:whole -- [the same]: the suites that have a short form, in their whole form.

/** Files that run side by side. Most tests wait more than they compute, so there are more than processors. */
const AT_ONCE = Math.max(8, availableParallelism());

/** Short forms that take longer hang: they are ended, and the runner names the files that had not ended. Milliseconds. */
const LONGEST = 26 * 60_000;

/** Where Linux keeps files in memory, and how much room the tests need there. */
const MEMORY = "/dev/shm";
const NEEDED = 3 * 2 ** 30;

const args = process.argv.slice(2);
const isWhole = args.includes("--whole");
const options = args.filter((arg) => arg.startsWith("-") && arg !== "--whole");
const named = args.filter((arg) => !arg.startsWith("-"));
const all = named.length > 0 ? named : globSync("test/**/*.test.ts", { cwd: ROOT });
const files = isWhole ? all.filter((file) => readFileSync(join(ROOT, file), "utf8").includes("support/whole.ts")) : all;

// A fifth of the computing is reading the same modules again in each process.
const cache = { NODE_COMPILE_CACHE: join(ROOT, "node_modules", ".cache", "compiled") };
// Syncs take much of the rest, so what the short forms write stays in memory. The whole forms, and Deno's, use the disk.
const folder = isWhole || process.env.TMPDIR !== undefined ? null : makeFolderInMemory();
const { status } = spawnSync(process.execPath, ["--test", `--test-concurrency=${AT_ONCE}`, ...options, ...files], {
  cwd: ROOT,
  stdio: "inherit",
  ...(!isWhole && { timeout: LONGEST }),
  env: { ...cache, ...process.env, ...(folder !== null && { TMPDIR: folder }), ...(isWhole && { TESTS: "whole" }) },
});
// What failed tests leave is named in their messages.
if (folder !== null && status === 0) rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;

function makeFolderInMemory(): string | null {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize < NEEDED) return null;
    const folder = mkdtempSync(join(MEMORY, "relay-"));
    chmodSync(folder, 0o1777); // as /tmp: some tests have users of their own
    return folder;
  } catch {
    return null;
  }
}
