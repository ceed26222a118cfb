import process from "node:process";
import { runFuzz } from "../test/support/fuzz/run.ts";
import { newSeed, readOptions, report } from "./long-run.ts";

// npm run fuzz -- [--cases 100000] [--seed TEXT] [--only NUMBER] [--quiet]
// Sends generated requests to the real process and judges every answer, and what is on the disk in the end.
// Exits 1 and says what failed, else 0. A case is found again with its seed and number: --seed TEXT --only NUMBER.

const { cases, seed, only: given, quiet } = readOptions({ cases: 100_000, seed: newSeed(), only: "", quiet: false });
const only = given === "" ? undefined : Number(given);
if (only !== undefined && !Number.isInteger(only)) {
  console.error("--only takes the number of a case");
  process.exit(2);
}

console.log(`fuzz: ${only === undefined ? `${cases} cases` : `case ${only}`}, seed ${seed}`);
const onProgress = (line: string) => quiet || console.log(line);
const run = await runFuzz({ cases, seed, only, long: cases >= 10_000 && only === undefined, onProgress });
report(run);
process.exit(run.problems.length === 0 ? 0 : 1);
