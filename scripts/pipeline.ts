import process from "node:process";
import { openInProcess } from "../test/model/pipeline/bodies.ts";
import { openAsProcess } from "../test/model/pipeline/process.ts";
import { walk } from "../test/model/pipeline/walk.ts";
import { readOptions } from "./long-run.ts";

// npm run test:pipeline -- [--walks 500] [--seed 1] [--length 60] [--processes] [--whole] [--all]
// Random weather and deaths for the whole media pipeline (test/model/pipeline/). A walk that loses, overwrites or leaves
// something is printed, shortened unless `--whole`; then the exit code is 1.

const {
  walks,
  seed: first,
  length,
  // Each life is a process of its own, and its deaths are SIGKILLs: a few times slower.
  processes,
  whole,
  // Goes on after a walk that failed.
  all,
} = readOptions({ walks: 100, seed: 1, length: 60, processes: false, whole: false, all: false });
const openBody = processes ? openAsProcess : openInProcess;
const began = performance.now();
let [seed, kills, broken] = [first, 0, 0];
for (; seed < first + walks && (broken === 0 || all); seed++) {
  const walked = await walk(seed, { openBody, shorten: !whole, length });
  kills += walked.kills;
  if (walked.said === null) continue;
  broken++;
  console.log(walked.said);
}
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(
  `pipeline: ${seed - first} walks from seed ${first}, ${kills} kills, ${broken} not as promised; ${seconds} s`,
);
process.exit(broken === 0 ? 0 : 1);
