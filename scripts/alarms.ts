import process from "node:process";
import { playFortnight } from "../test/support/fortnight.ts";
import { readOptions } from "./long-run.ts";

// npm run test:alarms -- [--runs 5] [--seed 1] [--risk 10]
// Plays fortnights of alarms in simulated time, minute by minute: two relays on one store, of which one or all die between any
// two steps with this chance in a hundred. Each alarm must be said once at its begin and at its end.

const { runs, seed: first, risk } = readOptions({ runs: 5, seed: 1, risk: 10 });
const cleaners: (() => unknown)[] = [];
let wrong = 0;
for (let seed = first; seed < first + runs; seed++) {
  const after = (clean: () => unknown) => void cleaners.push(clean);
  const { problems, ...played } = await playFortnight({ after }, { seed, step: 1, risk: risk / 100 });
  for (const clean of cleaners.splice(0)) await clean();
  wrong += problems.length;
  console.log(JSON.stringify(played));
  for (const problem of problems) console.log(`  ${problem}`);
}
process.exit(wrong === 0 ? 0 : 1);
