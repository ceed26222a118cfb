import process from "node:process";
import { parseArgs } from "node:util";
import { openInProcess } from "../test/model/pipeline/bodies.ts";
import { openAsProcess } from "../test/model/pipeline/process.ts";
import { walk } from "../test/model/pipeline/walk.ts";

// npm run test:pipeline -- [--walks 500] [--seed 1] [--length 60] [--processes] [--whole] [--all]
// Random weather and deaths for the whole media pipeline (test/model/pipeline/). A walk that loses, overwrites or leaves
// something is printed, shortened unless `--whole`; then the exit code is 1.

const { values } = parseArgs({
  options: {
    walks: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    length: { type: "string", default: "60" },
    /** Each life is a process of its own, and its deaths are SIGKILLs: a few times slower. */
    processes: { type: "boolean", default: false },
    whole: { type: "boolean", default: false },
    /** Goes on after a walk that failed. */
    all: { type: "boolean", default: false },
  },
});
const [walks, first, length] = [values.walks, values.seed, values.length].map(Number) as [number, number, number];
const openBody = values.processes ? openAsProcess : openInProcess;
const began = performance.now();
let [seed, kills, broken] = [first, 0, 0];
for (; seed < first + walks && (broken === 0 || values.all); seed++) {
  const walked = await walk(seed, { openBody, shorten: !values.whole, length });
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
