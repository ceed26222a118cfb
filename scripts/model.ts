import process from "node:process";
import { parseArgs } from "node:util";
import { onPostgres } from "../test/model/cluster/relays.ts";
import { cluster, plays } from "../test/model/cluster/walk.ts";
import { delivery } from "../test/model/delivery/walk.ts";
import { ENGINES } from "../test/model/engines.ts";
import { intake } from "../test/model/intake/walk.ts";
import { media } from "../test/model/media/walk.ts";
import { transfer } from "../test/model/transfer/walk.ts";
import { findMistake, type Model, type Play, type Steps, walk } from "../test/model/walk.ts";

/**
 * Walks of the reference models (docs/MODELS.md), each beside a store of its own: `npm run test:model -- --walks 5000 --seed 1`.
 * A walk whose store does otherwise than the model, or whose model breaks a promise, is shortened and printed; then the exit
 * code is 1. `--model intake`, `media` or `delivery` plays that one only. `--store postgres` or `two-relays`: on a PostgreSQL.
 * `--model cluster` plays stores on a PostgreSQL that is lost for an older one, against the promises of its model;
 * `--model transfer` plays that model alone. `--alone` plays a model without a store, which is a hundred times as
 * fast. `--mistakes` puts each known mistake into the model, and says after how many walks it is found.
 */

const { values } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: ["intake", "media", "delivery"] },
    store: { type: "string", default: "sqlite" },
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

const engine = Object.entries(ENGINES).find(([name]) => name === values.store)?.[1];
if (engine === undefined) refuse(`--store ${values.store}: it takes ${Object.keys(ENGINES).join(", ")}`);
if (engine.skip !== false) refuse(engine.skip);
const { open } = engine;

/** Beside SQLite two side by side: most of such a walk is waiting for the disk. True: all is as the model has it. */
async function playWalks<Command>(name: string, steps: Steps<Command>, play: Play<Command>): Promise<boolean> {
  const began = performance.now();
  const length = values.length === undefined ? steps.length : number("length");
  let next = first;
  let broken = 0;

  async function run(): Promise<void> {
    while (next < first + walks && broken === 0) {
      const found = await walk({ ...steps, length }, next++, play);
      if (found === null) continue;
      broken++;
      console.log(found.said);
    }
  }

  await Promise.all(name !== "cluster" && values.store === "sqlite" ? [run(), run()] : [run()]);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}: ${next - first} walks from seed ${first}, ${broken} not as the model has it; ${seconds} s`);
  return broken === 0;
}

/** A mistake is looked for in the model beside itself; the list that is found is then played beside a store. */
async function find<Command, Mistake>(
  name: string,
  model: Omit<Model<Command, Mistake>, "besideStore">,
  isSeenBy: (list: Command[], mistake: Mistake) => Promise<unknown>,
): Promise<boolean> {
  let missed = 0;
  for (const mistake of model.mistakes) {
    const found = await findMistake(model, mistake, walks);
    const isSeen = found !== null && (await isSeenBy(found.list, mistake)) !== null;
    if (!isSeen) missed++;
    const after =
      found === null ? `in none of ${walks} walks` : `in walk ${found.walks}, ${found.list.length} commands`;
    console.log(`${name}: ${isSeen ? "found" : "MISSED"} ${after}: ${mistake}`);
  }
  return missed === 0;
}

function beside<Command, Mistake>(name: string, model: Model<Command, Mistake>): Promise<boolean> {
  const { steps, alone, besideStore } = model;
  if (values.mistakes) return find(name, model, (list, mistake) => besideStore(list, open, mistake));
  return playWalks(name, steps, values.alone ? alone : (list) => besideStore(list, open));
}

function ofTransfer(name: string): Promise<boolean> {
  if (values.mistakes) return find(name, transfer, transfer.besideItself);
  return playWalks(name, transfer.steps, transfer.alone);
}

function ofCluster(name: string): Promise<boolean> {
  if (values.mistakes) return find(name, cluster, cluster.besideItself);
  return values.alone ? playWalks(name, cluster.steps, cluster.alone) : playWalks(name, plays, onPostgres);
}

const models = {
  intake: () => beside("intake", intake({ window })),
  media: () => beside("media", media),
  delivery: () => beside("delivery", delivery),
  cluster: () => ofCluster("cluster"),
  transfer: () => ofTransfer("transfer"),
};

let isWell = true;
for (const name of values.model) {
  if (!Object.hasOwn(models, name)) refuse(`--model ${name}: it takes ${Object.keys(models).join(", ")}`);
  isWell = (await models[name as keyof typeof models]()) && isWell;
}
process.exit(isWell ? 0 : 1);
