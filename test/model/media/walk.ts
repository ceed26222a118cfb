import { Broken } from "../broken.ts";
import type { Failure, Model } from "../walk.ts";
import { type Command, commandsOf, VIDEOS } from "./commands.ts";
import { MISTAKES, type Mistake } from "./model.ts";
import { type OpenSystem, openModel, openStoreSystem } from "./systems.ts";
import { World } from "./world.ts";

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

export const media: Model<Command, Mistake> = {
  steps: { length: 40, commandsOf },
  mistakes: MISTAKES,
  alone: (list) => keepsPromises(list, () => openModel()),
  besideItself: (list, mistake) =>
    compareSystems(
      list,
      () => openModel(mistake),
      () => openModel(),
    ),
  besideStore: (list, open, mistake) =>
    compareSystems(
      list,
      () => openModel(mistake),
      () => openStoreSystem(open),
    ),
};

/**
 * Gives the commands to the model and to another system, each in a world of its own, and compares all that can be seen of both
 * after each: media, what a body would say of each event, notices, what each link answers that was sent, what lies in the targets, what is known of each
 * video.
 */
async function compareSystems(list: Command[], open: OpenSystem, openOther: OpenSystem): Promise<Failure | null> {
  const model = new World(await open());
  const store = new World(await openOther(), { isJudged: false });
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
  for (const part of ["media", "events", "notices", "links", "copies", "videos", "bodies"] as const) {
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
async function seen({ system, told, forgotten, copies }: World) {
  const { media, events, notices } = await system.view();
  const links = await Promise.all(
    Object.keys(told)
      .sort()
      .map(async (key) => {
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
    copies,
    ...(await system.said(VIDEOS)),
  };
}

function said(expected: unknown, real: unknown): string {
  return `the model says ${expected}\n  the other says ${real}`;
}
