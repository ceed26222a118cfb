import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/**
 * Runs the test suite on the Deno that the lock file brings. It calls the platform package's own binary: the wrapper in
 * `.bin` leaves Deno running when it is stopped. Types are tsc's business (`npm run types`).
 */
const packages = "node_modules/@deno";
const found = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name, "deno")) : [];
const deno = found.find((path) => existsSync(path)) ?? "deno";
const paths = process.argv.slice(2);
const { status, error } = spawnSync(
  deno,
  ["test", "-A", "--no-check", "--quiet", ...(paths.length > 0 ? paths : ["test/"])],
  {
    stdio: "inherit",
  },
);
if (error) console.error(`Deno cannot be started: ${error.message}; run npm ci first`);
process.exitCode = status ?? 1;
