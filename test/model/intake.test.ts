import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { MISTAKES } from "./intake/model.ts";
import type { OpenStore } from "./intake/system.ts";
import { compareModel, compareStore, type Found, walk } from "./intake/walk.ts";

// A short form of `npm run test:model`, with the same seeds at each run.

const ENGINES: Record<string, OpenStore> = {
  sqlite: (config, ports) => openStore(config, ports, { role: "relay" }),
};

test("intake: the rules keep what apps and operators rely on", async () => {
  for (let seed = 1; seed <= 300; seed++) assert.equal(await walk(seed, (list) => compareModel(list)), null);
});

for (const [engine, open] of Object.entries(ENGINES)) {
  test(`intake: ${engine} does as the model does`, async () => {
    for (let seed = 1; seed <= 16; seed++) assert.equal(await walk(seed, (list) => compareStore(list, open)), null);
  });

  test(`intake: ${engine} does so with the recognition of duplicates off`, async () => {
    const rules = { window: 0 };
    for (let seed = 101; seed <= 104; seed++) {
      assert.equal(await walk(seed, (list) => compareStore(list, open, rules)), null);
    }
  });
}

for (const mistake of MISTAKES) {
  test(`intake: with a mistake in the model ("${mistake}") it differs from the store`, async () => {
    // Beside itself it differs soon where it does at all; the list that comes of it is then played with a store.
    const { list } = await firstFound((seed) => walk(seed, (list) => compareModel(list, { mistake })));
    assert.notEqual(await compareStore(list, ENGINES.sqlite!, { mistake }), null);
    assert.equal(await compareStore(list, ENGINES.sqlite!), null);
  });
}

test("intake: a walk that fails says seed, promise and a list from which no command can be left out", async () => {
  const rules = { mistake: "a straggling autosave revives a deleted draft" } as const;
  const { said, list } = await firstFound((seed) => walk(seed, (list) => compareModel(list, rules)));
  assert.match(said, /^seed \d+: a video's state: not kept\n {2}step \d+, \{"do":.+\n(?: {2}.+\n)+ {2}\{"do":/);
  assert.equal((await compareModel(list, rules))?.promise, "a video's state");
  for (const index of list.keys()) assert.equal(await compareModel(list.toSpliced(index, 1), rules), null);
});

async function firstFound(find: (seed: number) => Promise<Found | null>): Promise<Found> {
  for (let seed = 1; seed < 2_000; seed++) {
    const found = await find(seed);
    if (found) return found;
  }
  throw new Error("no walk differs");
}
