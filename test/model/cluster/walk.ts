import { Broken } from "../broken.ts";
import type { Failure, Model, Steps } from "../walk.ts";
import { type Command, commandsOf, plainer } from "./commands.ts";
import { Cluster, MISTAKES, type Mistake } from "./model.ts";
import { type Play, playOf } from "./play.ts";

const SETUP = { relays: 2, isSynchronous: false, limit: 9 };

function play(list: Command[], mistake: Mistake | null = null): Failure | null {
  const setup = list.find((command) => command.do === "setup") ?? SETUP;
  let step = "in the end";
  try {
    const model = new Cluster(setup, mistake);
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

/** The model of several relays as its walks play it: against its promises. */
export const cluster: Omit<Model<Command, Mistake>, "besideStore"> = {
  steps: { length: 150, commandsOf, plainer },
  mistakes: MISTAKES,
  alone: async (list) => play(list),
  besideItself: async (list, mistake) => play(list, mistake),
};

/** The walks of stores on a PostgreSQL, against the same promises (`onPostgres`). */
export const plays: Steps<Play> = { length: 50, commandsOf: playOf };
