import { type Model, playToItself } from "../walk.ts";
import { type Command, commandsOf, plainer } from "./commands.ts";
import { MISTAKES, type Mistake, Transfer } from "./model.ts";

const play = (list: Command[], mistake: Mistake | null = null) => playToItself(new Transfer(mistake), list);

/** The model of a film's way through two relays as its walks play it: against its promises. */
export const transfer: Omit<Model<Command, Mistake>, "besideStore"> = {
  steps: { length: 60, commandsOf, plainer },
  mistakes: MISTAKES,
  alone: async (list) => play(list),
  besideItself: async (list, mistake) => play(list, mistake),
};
