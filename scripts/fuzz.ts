import process from "node:process";
import { parseArgs } from "node:util";
import { runFuzz } from "../test/support/fuzz/run.ts";

// npm run fuzz -- [--cases 100000] [--seed TEXT] [--only NUMBER] [--quiet]
// Sends generated requests to the real process and judges every answer, and what is on the disk in the end.
// Exits 1 and says what failed, else 0. A case is found again with its seed and number: --seed TEXT --only NUMBER.

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string", default: Date.now().toString(36) },
    only: { type: "string" },
    quiet: { type: "boolean", default: false },
  },
});
const cases = Number(values.cases);
const only = values.only === undefined ? undefined : Number(values.only);
if (!Number.isInteger(cases) || cases < 1 || (only !== undefined && !Number.isInteger(only))) {
  console.error("--cases must be a whole number from 1 on, and --only the number of a case");
  process.exit(2);
}

console.log(`fuzz: ${only === undefined ? `${cases} cases` : `case ${only}`}, seed ${values.seed}`);
const { summary, problems, folder } = await runFuzz({
  cases,
  seed: values.seed,
  only,
  long: cases >= 10_000 && only === undefined,
  onProgress: (line) => values.quiet || console.log(line),
});
console.log(summary);
for (const problem of problems.slice(0, 30)) console.error(`FAILED: ${problem}`);
if (problems.length > 30) console.error(`… and ${problems.length - 30} more`);
if (problems.length > 0) console.error(`what it left behind is in ${folder}`);
process.exit(problems.length === 0 ? 0 : 1);
