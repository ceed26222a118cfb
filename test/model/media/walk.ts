import { shrink } from "../shrink.ts";
import { type Command, commandsOf } from "./commands.ts";
import type { Mistake } from "./model.ts";
import { type OpenStore, type OpenSystem, openModel, openStoreSystem } from "./systems.ts";
import { Broken, World } from "./world.ts";

const LENGTH = 40;

export type Failure = { promise: string; detail: string };
export type Found = { said: string; list: Command[] };
export type Play = (list: Command[]) => Promise<Failure | null>;

/** Whether a system keeps the promises of media, while and after these commands come to it. Null: all is well. */
export async function keepsPromises(list: Command[], open: OpenSystem): Promise<Failure | null> {
  const world = new World(await open());
  try {
    for (const command of list) await world.apply(command);
    await world.drain();
    return null;
  } catch (error) {
    if (error instanceof Broken) return { promise: error.promise, detail: error.message };
    throw error;
  } finally {
    await world.system.close();
  }
}

/** The model alone. */
export function playModel(list: Command[], mistake: Mistake | null = null): Promise<Failure | null> {
  return keepsPromises(list, () => openModel(mistake));
}

/**
 * Gives the commands to the model and to a store, each in a world of its own, and compares all that can be seen of both after
 * each: media, what a body would say of each event, notices, what each link answers that was sent. Null: no difference.
 */
export function compareStore(
  list: Command[],
  openStore: OpenStore,
  mistake: Mistake | null = null,
): Promise<Failure | null> {
  return compareSystems(
    list,
    () => openModel(mistake),
    () => openStoreSystem(openStore),
  );
}

/** The model with a mistake beside the model: finds in no time what a store would be found by. */
export function compareModel(list: Command[], mistake: Mistake): Promise<Failure | null> {
  return compareSystems(
    list,
    () => openModel(mistake),
    () => openModel(),
  );
}

async function compareSystems(list: Command[], open: OpenSystem, openOther: OpenSystem): Promise<Failure | null> {
  const model = new World(await open());
  const store = new World(await openOther());
  try {
    for (const [nth, command] of list.entries()) {
      const failure = await compare(command, model, store);
      if (failure) return { ...failure, detail: `step ${nth + 1}, ${JSON.stringify(command)}\n  ${failure.detail}` };
    }
    return null;
  } finally {
    await store.system.close();
  }
}

async function compare(command: Command, model: World, store: World): Promise<Failure | null> {
  if (command.do === "wake") {
    // The store has due times of its own, for what a lost download may have left in the spool.
    const at = Math.max(model.system.now(), (await model.system.nextWake()) ?? 0);
    for (const { system } of [model, store]) system.pass(at);
    return null;
  }
  const [expected, real] = [await outcome(command, model), await outcome(command, store)];
  if (expected !== real) return { promise: `what comes of "${command.do}"`, detail: said(expected, real) };
  const [a, b] = [await seen(model), await seen(store)];
  for (const part of ["media", "events", "notices", "links"] as const) {
    const at = a[part].findIndex((one, index) => one !== b[part][index]);
    if (at < 0 && a[part].length === b[part].length) continue;
    const index = at < 0 ? a[part].length : at;
    return { promise: `the ${part}`, detail: said(a[part][index], b[part][index]) };
  }
  return null;
}

async function outcome(command: Command, world: World): Promise<string> {
  return world.apply(command).then(String, (error: unknown) => {
    if (error instanceof Broken) return error.promise;
    throw error;
  });
}

/** One text for each thing that can be seen. */
async function seen({ system, told, forgotten }: World) {
  const { media, events, notices } = await system.view();
  const links = await Promise.all(
    Object.keys(told).map(async (key) => {
      const copy = await system.linked(key);
      return `${key}: ${copy && `${copy.target} ${copy.key} ${copy.sha}`}`;
    }),
  );
  return {
    // Reasons are words.
    media: media.map(({ reason: _, copy, ...row }, at) => {
      return JSON.stringify({ at, ...row, copy: copy && [copy.target, copy.key, copy.sha] });
    }),
    events: events.map(({ id, said }) => JSON.stringify({ id, said })),
    notices: notices.filter((notice) => !forgotten.has(notice.split(" ")[1]!.split("#")[0]!)).sort(),
    links,
  };
}

function said(expected: unknown, real: unknown): string {
  return `the model says ${expected}\n  the other says ${real}`;
}

/** The walk of a seed: null, or what is not kept in words, with a list from which no command can be left out. */
export async function walk(seed: number, play: Play, length = LENGTH): Promise<Found | null> {
  const list = commandsOf(seed, length);
  const first = await play(list);
  if (first === null) return null;
  const short = await shrink(list, async (shorter) => (await play(shorter))?.promise === first.promise);
  const { promise, detail } = (await play(short))!;
  const text = [`seed ${seed}: ${promise}: not kept`, detail, ...short.map((one) => JSON.stringify(one))].join("\n  ");
  return { said: text, list: short };
}
