import assert from "node:assert/strict";
import { test } from "node:test";
import { isWhole } from "../support/whole.ts";
import { transfer } from "./transfer/walk.ts";
import { findMistake, walk } from "./walk.ts";

// Short forms of `npm run test:model -- --model transfer`, with the same seeds at each run.

const { steps, alone, besideItself, mistakes } = transfer;

test("transfer: the rules keep what apps and operators rely on", async () => {
  for (let seed = 1; seed <= (isWhole ? 20_000 : 1_000); seed++)
    assert.equal((await walk(steps, seed, alone))?.said, undefined);
});

for (const mistake of mistakes) {
  test(`transfer: with a mistake in the model ("${mistake}") it breaks a promise`, async () => {
    const list = (await findMistake(transfer, mistake, 2_000))?.list ?? [];
    assert.notEqual(await besideItself(list, mistake), null);
    assert.equal(await alone(list), null);
  });
}
