import process from "node:process";
import { parseArgs } from "node:util";
import { parseSize } from "../src/config/units.ts";
import { runResumeTest } from "../test/support/resume.ts";

// npm run test:resume -- [--size 2GiB] [--break 100MiB] [--kills 1]
// One large file over a connection that breaks again and again, with the real process killed in the middle. Exits 1 and
// says what failed (another file than the provider's, or more than 1.05 of it sent), else 0.

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "2GiB" },
    break: { type: "string", default: "100MiB" },
    kills: { type: "string", default: "1" },
  },
});
const size = parseSize(values.size);
const every = parseSize(values.break);
const kills = Number(values.kills);
if (!size || !every || !Number.isInteger(kills) || kills < 0) {
  console.error('--size and --break must be sizes like "2GiB", --kills a whole number');
  process.exit(2);
}

const { summary, problems } = await runResumeTest({
  size,
  every,
  kills,
  mostBytes: 1.05,
  within: 60_000 + 5_000 * Math.ceil(size / every) + 30_000 * kills,
  onLine: (line) => console.log(line),
});
console.log(summary);
for (const problem of problems) console.error(`FAILED: ${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
