import assert from "node:assert/strict";
import { test } from "node:test";
import { isWhole } from "../support/whole.ts";
import { ENGINES, seedsFor, sqlite, stepsFor } from "./engines.ts";
import { intake } from "./intake/walk.ts";
import { findMistake, walk } from "./walk.ts";

// Short forms of `npm run test:model`, with the same seeds at each run.

const model = intake();
const { steps, alone, besideItself, besideStore } = model;

test("intake: the rules keep what apps and operators rely on", async () => {
  for (let seed = 1; seed <= (isWhole ? 300 : 100); seed++) assert.equal(await walk(steps, seed, alone), null);
});

for (const [name, engine] of Object.entries(ENGINES)) {
  const { open, skip } = engine;
  test(`intake: ${name} does as the model does`, { skip }, async () => {
    for (const seed of seedsFor(engine, isWhole ? 16 : 5))
      assert.equal(await walk(stepsFor(engine, steps), seed, (list) => besideStore(list, open)), null);
  });

  test(`intake: ${name} does so with the recognition of duplicates off`, { skip }, async () => {
    const withoutWindow = intake({ window: 0 });
    for (const seed of seedsFor(engine, isWhole ? 4 : 2, 101))
      assert.equal(await walk(stepsFor(engine, steps), seed, (list) => withoutWindow.besideStore(list, open)), null);
  });
}

for (const mistake of model.mistakes) {
  test(`intake: with a mistake in the model ("${mistake}") it differs from the store`, async () => {
    // Beside itself it differs soon where it does at all; the list that comes of it is then played with a store.
    const { list } = (await findMistake(model, mistake, 2_000))!;
    assert.notEqual(await besideStore(list, sqlite, mistake), null);
    assert.equal(await besideStore(list, sqlite), null);
  });
}

test("a walk that fails says seed, promise and a list from which no command can be left out", async () => {
  const mistake = "a straggling autosave revives a deleted draft";
  const play = (list: Parameters<typeof alone>[0]) => besideItself(list, mistake);
  const { walks } = (await findMistake(model, mistake, 2_000))!;
  const { said, list } = (await walk(steps, walks, play))!;
  assert.match(said, /^seed \d+: a video's state: not kept\n {2}step \d+, \{"do":.+\n(?: {2}.+\n)+ {2}\{"do":/);
  assert.equal((await play(list))?.promise, "a video's state");
  for (const index of list.keys()) assert.equal(await play(list.toSpliced(index, 1)), null);
});
