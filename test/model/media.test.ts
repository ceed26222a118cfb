import assert from "node:assert/strict";
import { test } from "node:test";
import { isWhole } from "../support/whole.ts";
import { ENGINES, seedsFor, sqlite, stepsFor } from "./engines.ts";
import type { Command } from "./media/commands.ts";
import { DAY, HOUR, type Mistake } from "./media/model.ts";
import { openStoreSystem } from "./media/systems.ts";
import { keepsPromises, media } from "./media/walk.ts";
import { findMistake, walk } from "./walk.ts";

// Short forms of `npm run test:model`, with the same seeds at each run.

const { steps, alone, besideStore } = media;

test("media: the rules keep what apps and operators rely on", async () => {
  for (let seed = 1; seed <= (isWhole ? 300 : 100); seed++)
    assert.equal((await walk(steps, seed, alone))?.said, undefined);
});

for (const [name, engine] of Object.entries(ENGINES)) {
  const { open, skip } = engine;
  test(`media: ${name} does as the model does`, { skip }, async () => {
    for (const seed of seedsFor(engine, isWhole ? 8 : 3))
      assert.equal((await walk(stepsFor(engine, steps), seed, (list) => besideStore(list, open)))?.said, undefined);
  });

  test(`media: ${name} keeps what apps and operators rely on`, { skip }, async () => {
    const play = (list: Command[]) => keepsPromises(list, () => openStoreSystem(open));
    for (const seed of seedsFor(engine, 2, 101))
      assert.equal((await walk(stepsFor(engine, steps), seed, play))?.said, undefined);
  });
}

const MIRROR: Command = { do: "mirror" };
const READY: Command = { do: "post", type: "video.ready", v: "v", video: "a" };
const DELETED: Command = { do: "post", type: "video.delete", v: "v" };
const DELETES: Command = { do: "config", onDelete: "delete" };
const BEGIN: Command = { do: "begin move", pick: 0 };
const END: Command = { do: "end move", pick: 0, deletes: false };
const MOVED: Command[] = [READY, MIRROR, { do: "config", target: "t2" }, BEGIN];
const LATER: Command[] = [{ do: "pass", ms: 8 * DAY }, { do: "delete" }];

/** Lists for mistakes that only hundreds of random walks meet (`npm run test:model -- --mistakes`). */
const LISTS: Partial<Record<Mistake, Command[]>> = {
  "what was planned to be deleted is, also under keep": [
    ...[DELETES, READY, MIRROR, DELETED, { do: "config", onDelete: "keep" } as Command],
    ...LATER,
  ],
  "announced again is not wanted again": [DELETES, READY, MIRROR, DELETED, READY, ...LATER],
  "a late deletion deletes what came after it": [
    ...[DELETES, READY, MIRROR, { ...DELETED, late: 8 * DAY } as Command],
    { do: "delete" },
  ],
  "draft.delete deletes a ready video's thumbnail": [
    ...[DELETES, { ...READY, video: undefined, thumb: "x" } as Command, MIRROR],
    ...[{ do: "post", type: "draft.update", v: "v", thumb: "x" } as Command, MIRROR],
    ...[{ do: "post", type: "draft.delete", v: "v" } as Command, ...LATER],
  ],
  "a deletion ends downloads": [DELETES, { do: "post", type: "draft.update", v: "v", thumb: "y" }, DELETED],
  "a risk is told again": [
    { do: "post", type: "draft.update", v: "w", life: 30 * HOUR, thumb: "x" },
    ...([{ do: "pass", ms: 8 * DAY }, { do: "risks" }, { do: "risks" }] as Command[]),
  ],
  "a row with a copy takes over another file's link": [
    ...([{ do: "post", type: "draft.update", v: "v", thumb: "x" }, MIRROR] as Command[]),
    ...([
      { do: "mend", pick: 5 },
      { do: "post", type: "video.ready", v: "v", thumb: "yy" },
    ] as Command[]),
  ],
  "what waits for a superseded thumbnail is forgotten": [
    ...([
      { ...READY, thumb: "y" },
      { do: "claim" },
      { do: "settle", pick: 5 },
      { do: "pass", ms: 8 * DAY },
    ] as Command[]),
    ...([{ ...READY, video: undefined, thumb: "x" }, { do: "deliver" }, MIRROR] as Command[]),
  ],
  "former keys lead nowhere": [
    ...[READY, MIRROR, { do: "deliver" } as Command],
    ...([{ do: "edit", name: "va" }, { do: "mend", pick: 0 }, MIRROR] as Command[]),
  ],
  "former places are forgotten": [
    ...([READY, { do: "claim" }, { do: "settle", pick: 0 }, { do: "claim uploads" }] as Command[]),
    ...([{ do: "put", pick: 0, dies: true }, { do: "config", target: "t2" }, MIRROR, { do: "delete" }] as Command[]),
  ],
  "a move turns what is being downloaded": [
    ...([{ do: "post", type: "draft.new", v: "v", thumb: "x" }, MIRROR, { do: "config", target: "t2" }] as Command[]),
    ...([{ do: "post", type: "draft.update", v: "v", thumb: "x" }, { do: "claim" }, BEGIN, END] as Command[]),
  ],
  "a move turns a copy that was let go": [...MOVED, { do: "forget", v: "v" }, END],
  "where a copy was to be moved is forgotten": [...MOVED, { do: "forget", v: "v" }, END, { do: "delete" }],
  "what moves have left behind is forgotten": [...MOVED, END, { do: "forget", v: "v" }, { do: "delete" }],
};

for (const mistake of media.mistakes) {
  test(`media: with a mistake in the model ("${mistake}") it differs from the store`, async () => {
    // Beside itself it differs soon where it does at all; the list that comes of it is then played with a store.
    const list = LISTS[mistake] ?? (await findMistake(media, mistake, 2_000))!.list;
    assert.notEqual(await besideStore(list, sqlite, mistake), null);
    assert.equal(await besideStore(list, sqlite), null);
  });
}
