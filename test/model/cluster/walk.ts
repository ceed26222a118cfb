import { type Model, playToItself, type Steps } from "../walk.ts";
import { type Command, commandsOf, plainer } from "./commands.ts";
import { Cluster, MISTAKES, type Mistake } from "./model.ts";
import { type Play, playOf } from "./play.ts";

const SETUP = { relays: 2, isSynchronous: false, limit: 9 };

const play = (list: Command[], mistake: Mistake | null = null) =>
  playToItself(new Cluster(list.find((command) => command.do === "setup") ?? SETUP, mistake), list);

/** The model of several relays as its walks play it: against its promises. */
export const cluster: Omit<Model<Command, Mistake>, "besideStore"> = {
  steps: { length: 150, commandsOf, plainer },
  mistakes: MISTAKES,
  alone: async (list) => play(list),
  besideItself: async (list, mistake) => play(list, mistake),
};

/** The walks of stores on a PostgreSQL, against the same promises (`onPostgres`). */
export const plays: Steps<Play> = { length: 50, commandsOf: playOf };
