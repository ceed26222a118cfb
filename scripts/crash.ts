import process from "node:process";
import { parseArgs } from "node:util";
import { runCrashTest } from "../test/support/crash/run.ts";

// npm run test:crash -- [--rounds 200] [--seed TEXT] [--media-parent FOLDER] [--s3] [--quiet]
// Kills the real process under load, again and again, and judges what is left. Exits 1 and says what failed, else 0.

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: Date.now().toString(36) },
    // A folder on another file system than the temp folder: copies then have to cross over.
    "media-parent": { type: "string" },
    // Copies go into a bucket of a real S3 server (Ceph's gateway), which must then hold nothing half done of ours.
    s3: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error("--rounds must be a whole number from 1 on");
  process.exit(2);
}

console.log(`crash test: ${rounds} rounds, seed ${values.seed}`);
let last = 0;
const { summary, problems, folder } = await runCrashTest({
  rounds,
  seed: values.seed,
  mediaParent: values["media-parent"],
  s3: values.s3,
  onRound(line) {
    if (values.quiet || Date.now() - last < 5_000) return;
    last = Date.now();
    console.log(line);
  },
});
console.log(summary);
if (problems.length > 0) {
  for (const problem of problems.slice(0, 40)) console.error(`FAILED: ${problem}`);
  if (problems.length > 40) console.error(`… and ${problems.length - 40} more`);
  console.error(`what it left behind is in ${folder}`);
}
process.exit(problems.length === 0 ? 0 : 1);
