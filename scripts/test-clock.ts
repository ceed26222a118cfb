import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { ROOT } from "./root.ts";

// npm run test:clock -- [--all] [test files]
// Runs the tests under a clock that is 13 months ahead and in another zone, so that none depends on the date or the place.
// Without --all long ones are left out that a date means nothing to; with it all run, in two zones. Needs `faketime` (Debian
// has a package of that name).

const AHEAD = "+395d";

/** Of either side of Greenwich, and neither of them whole hours away. */
const ZONES = ["Pacific/Chatham", "America/St_Johns"];

/**
 * They take long, and their subject is elsewhere: whole processes, builds, paces, outages. Or they hold the clock of a PostgreSQL
 * against this machine's: its server runs as another user, and has the real one.
 */
const LEFT_OUT =
  /^test\/(e2e|scripts)\/|^test\/(cli\/store-copy|store\/postgres\/wire\/primary|relay\/reload|targets\/s3\/(s3|respelled)|mirror\/(upload\/outage|download\/(rate-limits|resume)))\.test/;

const args = process.argv.slice(2);
const isWhole = args.includes("--all");
const named = args.filter((arg) => arg !== "--all");
const found = globSync("test/**/*.test.ts", { cwd: ROOT }).sort();
const files = named.length > 0 ? named : found.filter((file) => isWhole || !LEFT_OUT.test(file));

for (const zone of isWhole ? ZONES : ZONES.slice(0, 1)) {
  console.log(`${files.length} files, ${AHEAD}, ${zone}`);
  const { status, error } = spawnSync("faketime", ["-f", AHEAD, process.execPath, "scripts/test.ts", ...files], {
    cwd: ROOT,
    stdio: "inherit",
    // What is measured, and waits that are bounded, go by the real time.
    env: { ...process.env, TZ: zone, DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  });
  if (error)
    console.error(`test:clock: faketime cannot be started: ${error.message} (Debian: apt-get install faketime)`);
  process.exitCode = process.exitCode || (status ?? 1);
}
