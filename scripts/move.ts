import process from "node:process";
import { parseSize } from "../src/config/units.ts";
import { runMoveTest } from "../test/support/move/run.ts";
import { readOptions, report } from "./long-run.ts";

// npm run test:move -- [--copies 2000] [--size 4GiB] [--kills 20] [--outage 60] [--events 100] [--measured 20] [--rate 40MiB] [--keep]
// Copies are moved from a folder into Ceph while events arrive and links are read, through kills and an outage (seconds). Exits 1
// and says what failed, else 0.

const { size, rate, outage, measured, keep, ...counts } = readOptions({
  ...{ copies: 2_000, size: "4GiB", kills: 20, outage: 60, events: 100, measured: 20, ratio: "1.3" },
  ...{ rate: "", keep: false },
});
const bytes = parseSize(size);
const limit = rate === "" ? null : parseSize(rate);
if (!bytes || limit === 0 || (rate !== "" && limit === null)) {
  console.error('--size and --rate take sizes like "2GiB"');
  process.exit(2);
}

const { ratio, ...rest } = counts;
const run = await runMoveTest({
  ...{ ...rest, bytes, rate: limit, outage: outage * 1_000, measured: measured * 1_000 },
  ...{ mostRatio: Number(ratio), deleteSource: !keep, within: 3_600_000, onLine: (line) => console.log(line) },
});
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
