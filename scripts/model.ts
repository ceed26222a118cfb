import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { openStore } from "../src/store/open.ts";
import { compareModel, compareStore, walk } from "../test/model/intake/walk.ts";

/**
 * Walks of the reference models, each beside the real store: `npm run test:model -- --walks 5000 --seed 1`. A walk whose
 * store does otherwise than the model, or whose model breaks a promise, is shortened and printed; then the exit code is 1.
 * `--alone` plays the model only, which is a hundred times as fast.
 */

const { values } = parseArgs({
  options: {
    walks: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    length: { type: "string", default: "30" },
    /** Of duplicates, in milliseconds. */
    window: { type: "string", default: "600000" },
    alone: { type: "boolean", default: false },
  },
});
const [walks, first, length, window] = [values.walks, values.seed, values.length, values.window].map(Number) as [
  number,
  number,
  number,
  number,
];
const play = values.alone
  ? (list: Parameters<typeof compareModel>[0]) => compareModel(list, { window })
  : (list: Parameters<typeof compareModel>[0]) =>
      compareStore(list, (config, ports) => openStore(config, ports, { role: "relay" }), { window });

const began = performance.now();
let next = first;
let broken = 0;

/** Several side by side: most of a walk is waiting for the disk. */
async function run(): Promise<void> {
  while (next < first + walks && broken === 0) {
    const seed = next++;
    const found = await walk(seed, play, length);
    if (found === null) continue;
    broken++;
    console.log(found.said);
  }
}

await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, run));
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(`intake: ${next - first} walks from seed ${first}, ${broken} not as the model has it; ${seconds} s`);
process.exit(broken === 0 ? 0 : 1);
