import process from "node:process";
import { runCrashTest } from "../test/support/crash/run.ts";
import { newSeed, nowAndThen, readOptions, report } from "./long-run.ts";

// npm run test:crash -- [--rounds 200] [--seed TEXT] [--media-parent FOLDER] [--s3] [--quiet]
// Kills the real process under load, again and again, and judges what is left. Exits 1 and says what failed, else 0.

const {
  quiet,
  // A folder on another file system than the temp folder: copies then have to cross over.
  "media-parent": mediaParent,
  // `s3`: copies go into a bucket of a real S3 server (Ceph's gateway), which must then hold nothing half done of ours.
  ...options
} = readOptions({ rounds: 200, seed: newSeed(), "media-parent": "", s3: false, quiet: false });

console.log(`crash test: ${options.rounds} rounds, seed ${options.seed}`);
const onRound = nowAndThen((line) => quiet || console.log(line));
const run = await runCrashTest({ ...options, mediaParent: mediaParent || undefined, onRound });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
