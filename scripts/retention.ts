import process from "node:process";
import { runBeside } from "../test/support/retention/beside.ts";
import { runKills } from "../test/support/retention/kill.ts";
import { runYear } from "../test/support/retention/year.ts";
import { newSeed, nowAndThen, readOptions, report } from "./long-run.ts";

// npm run test:retention -- [--days 365] [--perDay 5000] [--bodies 90] [--attempts 30] [--padding 600] [--old 100000] [--rate 200]
//   [--seconds 10] [--pairs 5] [--most 150] [--kills 20] [--seed TEXT]
// Days of a store in simulated time, its size after each; a database of 0.2.0 with `old` events that is upgraded and pruned while
// events come in, with p99 beside a relay that prunes nothing (at most `most` per cent of it; 0: not judged); and kills while
// it prunes. 0 leaves a part out. Exits 1 and says what failed, else 0.

const options = readOptions({
  ...{ days: 365, perDay: 5_000, bodies: 90, attempts: 30, padding: 600 },
  ...{ old: 100_000, rate: 200, seconds: 10, pairs: 5, most: 150 },
  ...{ kills: 20, seed: newSeed() },
});
const { days, perDay, bodies, attempts, padding, old, rate, seconds, pairs, most, kills, seed } = options;
const say = (line: string) => console.log(`  ${line}`);
let failed = 0;

function told(run: { summary: string; problems: string[]; folder: string }): void {
  report(run);
  failed += run.problems.length;
}

if (days > 0) told(await runYear({ days, events: perDay, bodies, attempts, padding }, nowAndThen(say)));
if (old > 0) told(await runBeside({ events: old, rate, seconds, pairs, most: most / 100 }, say));
if (kills > 0) told(await runKills({ kills, seed }));
process.exit(failed === 0 ? 0 : 1);
