import process from "node:process";
import { runReloadTest } from "../test/support/reload/run.ts";
import { newSeed, nowAndThen, readOptions, report } from "./long-run.ts";

// npm run test:reload -- [--reloads 500] [--seed TEXT] [--quiet]
// Sends the real process SIGHUP after SIGHUP under load, each with another config, and judges what is left.

const { quiet, ...options } = readOptions({ reloads: 500, seed: newSeed(), quiet: false });
const run = await runReloadTest({ ...options, onReload: nowAndThen((line) => quiet || console.log(line)) });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
