import { Broken } from "../broken.ts";
import type { Failure, Model } from "../walk.ts";
import { type Command, commandsOf, plainer } from "./commands.ts";
import { MISTAKES, type Mistake, Transfer } from "./model.ts";

function play(list: Command[], mistake: Mistake | null = null): Failure | null {
  let step = "";
  try {
    const model = new Transfer(mistake);
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

/** The model of a film's way through two relays as its walks play it: against its promises. */
export const transfer: Omit<Model<Command, Mistake>, "besideStore"> = {
  steps: { length: 60, commandsOf, plainer },
  mistakes: MISTAKES,
  alone: async (list) => play(list),
  besideItself: async (list, mistake) => play(list, mistake),
};
