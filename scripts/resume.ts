import process from "node:process";
import { parseSize } from "../src/config/units.ts";
import { runResumeTest } from "../test/support/resume.ts";
import { readOptions, report } from "./long-run.ts";

// npm run test:resume -- [--size 2GiB] [--break 100MiB] [--kills 1]
// One large file over a connection that breaks again and again, with the real process killed in the middle. Exits 1 and
// says what failed (another file than the provider's, or more than 1.05 of it sent), else 0.

const { kills, ...sizes } = readOptions({ size: "2GiB", break: "100MiB", kills: 1 });
const [size, every] = [parseSize(sizes.size), parseSize(sizes.break)];
if (!size || !every) {
  console.error('--size and --break take sizes like "2GiB"');
  process.exit(2);
}

const run = await runResumeTest({
  size,
  every,
  kills,
  mostBytes: 1.05,
  within: 60_000 + 5_000 * Math.ceil(size / every) + 30_000 * kills,
  onLine: (line) => console.log(line),
});
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
