import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Failure, type Model, type OpenStore, shown } from "../walk.ts";
import { type Command, commandsOf, plainer, VIDEOS, type Written, write } from "./commands.ts";
import { type Intake, IntakeModel, MISTAKES, type Mistake } from "./model.ts";
import { judge } from "./promises.ts";
import { openSystem, START } from "./system.ts";

type Rules = { window: number; mistake?: Mistake };

/** `window`: of duplicates, in milliseconds. */
export function intake({ window = 600_000 } = {}): Model<Command, Mistake> {
  const besideItself = (list: Command[], mistake?: Mistake) =>
    compare(list, new IntakeModel({ window }), { window, mistake });
  return {
    steps: { length: 30, commandsOf, plainer },
    mistakes: MISTAKES,
    alone: (list) => besideItself(list),
    besideItself,
    besideStore: (list, open, mistake) => compareStore(list, open, { window, mistake }),
  };
}

/**
 * Gives commands to the model and to another that should do the same, and compares whatever can be seen of both after each;
 * the promises of intake are judged by what the model lets see. Null: all is well.
 */
async function compare(list: Command[], other: Intake, rules: Rules): Promise<Failure | null> {
  const model = new IntakeModel(rules);
  const walk: Walk = { now: START, posts: [], refused: 0, isBack: false, isOverridden: false };
  const promises = judge(model);
  for (const [nth, command] of list.entries()) {
    const broken = await step(command, model, other, walk, promises);
    if (broken) return { ...broken, detail: `step ${nth + 1}, ${JSON.stringify(command)}\n  ${broken.detail}` };
  }
  return null;
}

/** The same with a store of its own, in a folder that is gone afterwards. */
async function compareStore(list: Command[], openStore: OpenStore, rules: Rules): Promise<Failure | null> {
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-intake-"));
  const system = await openSystem(openStore, dir, { receive: { dedupeWindow: `${rules.window}ms` } });
  try {
    return await compare(list, system, rules);
  } finally {
    await system.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** `refused`: how many bodies were; `isBack`: the clock was set back at some time; `isOverridden`: an import was to be the newest. */
type Walk = { now: number; posts: Written[]; refused: number; isBack: boolean; isOverridden: boolean };

async function step(
  command: Command,
  model: IntakeModel,
  other: Intake,
  walk: Walk,
  promises: ReturnType<typeof judge>,
): Promise<Failure | null> {
  try {
    const [said, done] = await both(command, walk, model, other);
    const broken = differs(`the answer to ${command.do}`, said, done) ?? (await seen(model, other));
    return broken ?? promises(command, walk, said);
  } catch (error) {
    return { promise: `${command.do} without an error`, detail: String(error) };
  }
}

async function both(command: Command, walk: Walk, ...sides: Intake[]): Promise<unknown[]> {
  const { posts } = walk;
  const picked = "pick" in command ? posts.at(-1 - (command.pick % Math.max(1, posts.length))) : undefined;
  const ask = (one: (side: Intake) => unknown) => Promise.all(sides.map(one));
  switch (command.do) {
    case "post":
      posts.push(command.post);
      return ask((side) => side.post(write(command.post), walk.now));
    case "again": {
      if (!picked) break;
      const post = { ...picked, signed: command.signed, spell: command.spell };
      posts.push(post);
      return ask((side) => side.post(write(post), walk.now));
    }
    case "burst": {
      if (!picked) break;
      const bodies = Array.from({ length: command.many }, (_, nth) => write({ ...picked, signed: 1000 + nth }));
      return ask((side) => side.burst(bodies, walk.now));
    }
    case "pass":
      walk.now += command.ms;
      walk.isBack ||= command.ms < 0;
      return ask((side) => side.pass(walk.now));
    case "import": {
      const rows = [{ videoId: command.v, context: command.context }];
      walk.isOverridden ||= command.override ?? false;
      return ask((side) => side.import(rows, command.override ?? false, walk.now));
    }
    case "forget":
      return ask((side) => side.forget(command.v, walk.now));
    case "refuse": {
      if (!picked) break;
      walk.refused++;
      const body = write({ ...picked, signed: command.signed });
      return ask((side) => side.refuse(body, walk.now));
    }
    case "reprocess":
      return ask((side) => side.reprocess(walk.refused - 1 - command.pick));
    case "replay":
      return ask((side) => {
        const index = side.count() - 1 - (command.pick % Math.max(1, side.count()));
        return index < 0 ? null : side.body(index, { replay: true });
      });
    case "restart":
      return ask((side) => side.restart());
  }
  return [];
}

/** All that can be seen of videos and events. */
async function seen(model: Intake, other: Intake): Promise<Failure | null> {
  for (const v of VIDEOS) {
    const [expected, real] = [await model.video(v), await other.video(v)];
    const broken = differs("whether a video is known", expected !== null, real !== null);
    if (broken) return broken;
    for (const name of Object.keys(expected ?? {}) as (keyof NonNullable<typeof expected>)[]) {
      const wrong = differs(`a video's ${name}`, expected?.[name], real?.[name]);
      if (wrong) return { ...wrong, detail: `${v}: ${wrong.detail}` };
    }
  }
  for (let index = 0; index < model.count(); index++) {
    const broken =
      differs("the body of an event", await model.body(index), await other.body(index)) ??
      differs("the count of duplicates", await model.duplicates(index), await other.duplicates(index));
    if (broken) return { ...broken, detail: `event ${index}: ${broken.detail}` };
  }
  return null;
}

function differs(promise: string, expected: unknown, real: unknown): Failure | null {
  const [a, b] = [shown(expected), shown(real)];
  return a === b ? null : { promise, detail: `the model says ${a}\n  the other says ${b}` };
}
