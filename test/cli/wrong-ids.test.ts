import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, runCli } from "../support/spawn.ts";

test("an id of something else is named as what it is; one of nothing is not", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1"));
  const refusal = async (given: string) =>
    (await runCli(["deliveries", "show", given, "--config", seeded.configPath])).stderr;
  assert.match(await refusal(id), new RegExp(`no delivery "${id}": that is the id of an event$`, "m"));
  assert.match(await refusal("nonsense_1"), /no delivery "nonsense_1"$/m);
});

test("a terminal that takes no escapes gets none", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const list = async (env: Record<string, string>) =>
    (await callCli(["events", "list", "--config", seeded.configPath], { width: 80, env })).stdout;
  assert.match(await list({ TERM: "xterm" }), /\x1b\[/);
  assert.doesNotMatch(await list({ TERM: "dumb" }), /\x1b/);
});

test("a file that is missing is said to be so once", async (t) => {
  const seeded = await openSeeded(t);
  const { stderr } = await runCli(["contexts", "import", "/nowhere/at-all.csv", "--config", seeded.configPath]);
  assert.match(stderr, /cannot read \/nowhere\/at-all\.csv: no such file/);
  assert.doesNotMatch(stderr, /ENOENT/);
});
