import process from "node:process";
import { runRotation } from "../test/support/rotation/run.ts";
import { newSeed, readOptions, report } from "./long-run.ts";

// npm run test:rotation -- [--deliveries 10000] [--seed TEXT] [--quiet]
// Changes the secrets of a real relay's endpoints under load, while consumers that verify each message follow.

const { quiet, ...options } = readOptions({ deliveries: 10_000, seed: newSeed(), quiet: false });
const run = await runRotation({ ...options, onStep: (line) => quiet || console.log(line) });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
