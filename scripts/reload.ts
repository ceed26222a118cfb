import process from "node:process";
import { parseArgs } from "node:util";
import { runReloadTest } from "../test/support/reload/run.ts";

// npm run test:reload -- [--reloads 500] [--seed TEXT] [--quiet]
// Sends the real process SIGHUP after SIGHUP under load, each with another config, and judges what is left.

const { values } = parseArgs({
  options: {
    reloads: { type: "string", default: "500" },
    seed: { type: "string", default: Date.now().toString(36) },
    quiet: { type: "boolean", default: false },
  },
});
const reloads = Number(values.reloads);
if (!Number.isInteger(reloads) || reloads < 1) {
  console.error("--reloads must be a whole number from 1 on");
  process.exit(2);
}

let last = 0;
const { summary, problems, folder } = await runReloadTest({
  reloads,
  seed: values.seed,
  onReload(line) {
    if (values.quiet || Date.now() - last < 5_000) return;
    last = Date.now();
    console.log(line);
  },
});
console.log(summary);
for (const problem of problems.slice(0, 40)) console.error(`FAILED: ${problem}`);
if (problems.length > 0) console.error(`${problems.length} problems; what it left behind is in ${folder}`);
process.exit(problems.length === 0 ? 0 : 1);
