import { spawnSync } from "node:child_process";
import process from "node:process";
import { findDeno } from "./deno.ts";

/** Runs the test suite on the Deno that the lock file brings. Types are tsc's business (`npm run types`). */
const paths = process.argv.slice(2);
const { status, error } = spawnSync(
  findDeno() ?? "deno",
  ["test", "-A", "--no-check", "--quiet", ...(paths.length > 0 ? paths : ["test/"])],
  {
    stdio: "inherit",
  },
);
if (error) console.error(`Deno cannot be started: ${error.message}; run npm ci first`);
process.exitCode = status ?? 1;
