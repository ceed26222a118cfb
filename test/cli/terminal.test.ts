import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callJson } from "../support/spawn.ts";
import { atTerminal, noTerminal } from "../support/terminal.ts";

for (const [name, typed] of [
  ["Ctrl-C", "\x03"],
  ["Ctrl-D", "\x04"],
  ["no", "n\n"],
] as const) {
  test(`${name} at the question does nothing, says so, and ends with 1`, { skip: noTerminal }, async (t) => {
    const seeded = await openSeeded(t);
    await seeded.take(ready("v1"));
    const config = ["--config", seeded.configPath];
    const { output, code } = await atTerminal(["events", "replay", "--since", "1h", ...config], [["[y/N] ", typed]]);
    assert.match(output, /would be replayed\. Go on\? \[y\/N\] /);
    assert.match(output, /nothing was done\r?\n$/);
    assert.equal(code, 1);
    assert.deepEqual(await callJson(["tasks", "list", ...config]), []);
  });
}

test("yes at the question does it", { skip: noTerminal }, async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const config = ["--config", seeded.configPath];
  const { output, code } = await atTerminal(["events", "replay", "--since", "1h", ...config], [["[y/N] ", "y\n"]]);
  assert.equal(code, 0, output);
  assert.equal((await callJson(["tasks", "list", ...config])).length, 1);
});
