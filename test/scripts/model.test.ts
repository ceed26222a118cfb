import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";

const SCRIPT = [...("Deno" in globalThis ? ["run", "-A"] : []), "scripts/model.ts"];

const run = (...args: string[]) => spawnSync(process.execPath, [...SCRIPT, ...args], { encoding: "utf8" });

test("test:model plays the walks of all models, or of one", () => {
  const { status, stdout } = run("--alone", "--walks", "5");
  const line = (name: string) => `${name}: 5 walks from seed 1, 0 not as the model has it; `;
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((text) => text.replace(/[\d.]+ s$/, "")),
    ["intake", "media", "delivery"].map(line),
  );
  assert.equal(status, 0);
  assert.match(
    run("--alone", "--walks", "5", "--seed", "9", "--model", "media").stdout,
    /^media: 5 walks from seed 9,.+\n$/,
  );
});

test("test:model says which mistakes no walk has found", () => {
  const { status, stdout } = run("--mistakes", "--model", "intake", "--walks", "1");
  assert.match(stdout, /^intake: found in walk 1, 2 commands: signatures of links count$/m);
  assert.match(stdout, /^intake: MISSED in none of 1 walks: late events are the newest$/m);
  assert.equal(status, 1);
});

test("test:model refuses a model that there is not, and a number that is none", () => {
  for (const [args, why] of [
    [["--model", "other"], /^--model other: it takes intake, media, delivery, cluster, transfer\n$/],
    [["--walks", "many"], /^--walks many: it takes a whole number\n$/],
    [["--store", "other"], /^--store other: it takes sqlite, postgres, two-relays\n$/],
  ] as [string[], RegExp][]) {
    const { status, stderr } = run(...args);
    assert.match(stderr, why);
    assert.equal(status, 2);
  }
});
