import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import process from "node:process";
import { isDated, underOtherClock, ZONES } from "./other-clock.ts";
import { ROOT } from "./root.ts";

// npm run test:clock -- [--all] [test files]
// Runs the tests under a clock that is 13 months ahead and in another zone, so that none depends on the date or the place.
// Without --all those are left out that a date means nothing to (other-clock.ts); with it all run, in two zones.

const args = process.argv.slice(2);
const isWhole = args.includes("--all");
const named = args.filter((arg) => arg !== "--all");
const found = globSync("test/**/*.test.ts", { cwd: ROOT }).sort();
const files = named.length > 0 ? named : found.filter((file) => isWhole || isDated(file));

for (const zone of isWhole ? ZONES : ZONES.slice(0, 1)) {
  console.log(`${files.length} files, 13 months ahead, ${zone}`);
  const command = underOtherClock(process.execPath, ["scripts/test.ts", ...files], zone);
  const { status, error } = spawnSync(command.program, command.args, { cwd: ROOT, stdio: "inherit", env: command.env });
  if (error)
    console.error(`test:clock: faketime cannot be started: ${error.message} (Debian: apt-get install faketime)`);
  process.exitCode = process.exitCode || (status ?? 1);
}
