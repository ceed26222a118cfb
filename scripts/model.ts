import process from "node:process";
import { parseArgs } from "node:util";
import { openStore } from "../src/store/open.ts";
import { delivery } from "../test/model/delivery/walk.ts";
import { intake } from "../test/model/intake/walk.ts";
import { media } from "../test/model/media/walk.ts";
import { findMistake, type Model, type OpenStore, walk } from "../test/model/walk.ts";

/**
 * Walks of the reference models (docs/MODELS.md), each beside a store of its own: `npm run test:model -- --walks 5000 --seed 1`.
 * A walk whose store does otherwise than the model, or whose model breaks a promise, is shortened and printed; then the exit
 * code is 1. `--model intake`, `media` or `delivery` plays that one only. `--alone` plays a model without a store, which is a hundred times as
 * fast. `--mistakes` puts each known mistake into the model, and says after how many walks it is found.
 */

const { values } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: ["intake", "media", "delivery"] },
    walks: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    /** Commands of a walk; the model's own number unless it is said. */
    length: { type: "string" },
    /** Of duplicates, in milliseconds; of intake. */
    window: { type: "string", default: "600000" },
    alone: { type: "boolean", default: false },
    mistakes: { type: "boolean", default: false },
  },
});
const [walks, first, window] = [number("walks"), number("seed"), number("window")];

function number(name: "walks" | "seed" | "window" | "length"): number {
  const value = Number(values[name]);
  return Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(`--${name} ${values[name]}: it takes a whole number`);
}

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}

const open: OpenStore = (config, ports) => openStore(config, ports, { role: "relay" });

/** Two side by side: most of a walk beside a store is waiting for the disk. True: all is as the model has it. */
async function play<Command, Mistake>(name: string, model: Model<Command, Mistake>): Promise<boolean> {
  const { steps, alone, besideStore } = model;
  const began = performance.now();
  const length = values.length === undefined ? steps.length : number("length");
  let next = first;
  let broken = 0;

  async function run(): Promise<void> {
    while (next < first + walks && broken === 0) {
      const found = await walk({ ...steps, length }, next++, values.alone ? alone : (list) => besideStore(list, open));
      if (found === null) continue;
      broken++;
      console.log(found.said);
    }
  }

  await Promise.all([run(), run()]);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}: ${next - first} walks from seed ${first}, ${broken} not as the model has it; ${seconds} s`);
  return broken === 0;
}

/** A mistake is looked for in the model beside itself; the list that is found is then played beside a store. */
async function find<Command, Mistake>(name: string, model: Model<Command, Mistake>): Promise<boolean> {
  let missed = 0;
  for (const mistake of model.mistakes) {
    const found = await findMistake(model, mistake, walks);
    const isSeen = found !== null && (await model.besideStore(found.list, open, mistake)) !== null;
    if (!isSeen) missed++;
    const after =
      found === null ? `in none of ${walks} walks` : `in walk ${found.walks}, ${found.list.length} commands`;
    console.log(`${name}: ${isSeen ? "found" : "MISSED"} ${after}: ${mistake}`);
  }
  return missed === 0;
}

const task = values.mistakes ? find : play;
const models = {
  intake: () => task("intake", intake({ window })),
  media: () => task("media", media),
  delivery: () => task("delivery", delivery),
};

let isWell = true;
for (const name of values.model) {
  if (name !== "intake" && name !== "media" && name !== "delivery") {
    refuse(`--model ${name}: it takes intake, media or delivery`);
  }
  isWell = (await models[name]()) && isWell;
}
process.exit(isWell ? 0 : 1);
