import type { Config } from "../../src/config/schema.ts";
import type { Ports } from "../../src/ports.ts";
import type { Store } from "../../src/store/store.ts";
import { Broken } from "./broken.ts";
import { shrink } from "./shrink.ts";

/** What is not kept, in words that stay the same while the list is shortened, and where it was seen. */
export type Failure = { promise: string; detail: string };
export type Play<Command> = (list: Command[]) => Promise<Failure | null>;
/** `said`: seed, promise and list in words. */
export type Found<Command> = { said: string; list: Command[] };

/** How the walks of a model are made. `length`: commands of one; `plainer`: the forms of a command that say less. */
export type Steps<Command> = {
  length: number;
  commandsOf(seed: number, length: number): Command[];
  plainer?: (command: Command) => Command[];
};

export type OpenStore = (config: Config, ports: Ports) => Promise<Store>;

/** A model as its walks play it: what is not kept of a list of commands; null: all is well. */
export type Model<Command, Mistake> = {
  steps: Steps<Command>;
  /** What can be put into the model, so that a walk is seen to find it. */
  mistakes: readonly Mistake[];
  /** The model alone, against its promises. */
  alone: Play<Command>;
  /** The model with a mistake beside itself without: finds in milliseconds what a store would be found by. */
  besideItself(list: Command[], mistake: Mistake): Promise<Failure | null>;
  besideStore(list: Command[], open: OpenStore, mistake?: Mistake): Promise<Failure | null>;
};

/** Plays a list to a model that judges its own promises; null: all are kept. */
export function playToItself<Command>(
  model: { apply(command: Command): void; end(): void },
  list: Command[],
): Failure | null {
  let step = "";
  try {
    for (const [nth, command] of list.entries()) {
      step = `step ${nth + 1}, ${JSON.stringify(command)}`;
      model.apply(command);
    }
    step = "in the end";
    model.end();
    return null;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { promise: error.promise, detail: `${step}\n  ${error.message}` };
  }
}

/** The walk of a seed: null, or what is not kept, with a list from which no command can be left out. */
export async function walk<Command>(
  { length, commandsOf, plainer }: Steps<Command>,
  seed: number,
  play: Play<Command>,
): Promise<Found<Command> | null> {
  const list = commandsOf(seed, length);
  const first = await play(list);
  if (first === null) return null;
  const isSame = async (shorter: Command[]) => (await play(shorter))?.promise === first.promise;
  const short = await shrink(list, isSame, plainer);
  // What comes of the order in which a server answers may not come again.
  const { promise, detail } = (await play(short)) ?? first;
  const said = [`seed ${seed}: ${promise}: not kept`, detail, ...short.map((one) => JSON.stringify(one))].join("\n  ");
  return { said, list: short };
}

/** How a mistake is found: by which walk, counted from seed 1, and the list that is left of it; null: by none of so many. */
export async function findMistake<Command, Mistake>(
  { steps, besideItself }: Pick<Model<Command, Mistake>, "steps" | "besideItself">,
  mistake: Mistake,
  most: number,
): Promise<{ walks: number; list: Command[] } | null> {
  for (let seed = 1; seed <= most; seed++) {
    const found = await walk(steps, seed, (list) => besideItself(list, mistake));
    if (found) return { walks: seed, list: found.list };
  }
  return null;
}

/** One text for equal values, whatever the order of their members. */
export function shown(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
