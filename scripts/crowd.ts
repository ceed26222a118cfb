import process from "node:process";
import { runCrowdTest } from "../test/support/crowd.ts";
import { readOptions, report } from "./long-run.ts";

// npm run test:crowd -- [--idle 4200] [--silent 4200] [--readers 400] [--seconds 30]
// Posts events to the real process while strangers hold connections idle and readers do not read (ulimit -n 12000).

const size = readOptions({ idle: 4_200, silent: 4_200, readers: 400, seconds: 30 });
const run = await runCrowdTest({ ...size, within: 1_000 });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
