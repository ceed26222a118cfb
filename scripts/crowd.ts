import process from "node:process";
import { parseArgs } from "node:util";
import { runCrowdTest } from "../test/support/crowd.ts";

// npm run test:crowd -- [--idle 4200] [--silent 4200] [--readers 400] [--seconds 30]
// Posts events to the real process while strangers hold connections idle and readers do not read (ulimit -n 12000).

const { values } = parseArgs({
  options: {
    idle: { type: "string", default: "4200" },
    silent: { type: "string", default: "4200" },
    readers: { type: "string", default: "400" },
    seconds: { type: "string", default: "30" },
  },
});
const [idle, silent, readers, seconds] = [values.idle, values.silent, values.readers, values.seconds].map(Number);
if (![idle, silent, readers, seconds].every((each) => Number.isInteger(each) && each! >= 0)) {
  console.error("--idle, --silent, --readers and --seconds must be whole numbers");
  process.exit(2);
}
const { summary, problems } = await runCrowdTest({
  idle: idle!,
  silent: silent!,
  readers: readers!,
  seconds: seconds!,
  within: 1_000,
});
console.log(summary);
for (const problem of problems) console.error(`FAILED: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
