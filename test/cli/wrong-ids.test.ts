import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, runCli } from "../support/spawn.ts";

test("an id of something else is named as what it is; one of nothing is not", async (t) => {
  const seeded = await openSeeded(t);
  const id = await seeded.take(ready("v1", { videoContext: "page-1", title: "Election night" }));
  await seeded.take(ready("v2 a", { videoContext: "page-2" }));
  for (const n of [3, 4]) await seeded.take(ready(`v${n}`, { videoContext: "page-3" }));
  await seeded.store.indexTitles();
  const refusal = async (line: string, given: string) => {
    const { code, stderr } = await runCli([...line.split(" "), given, "--config", seeded.configPath]);
    assert.equal(code, 1, stderr);
    return stderr;
  };
  const shows = (command: string) => `: "wochit-relay ${command}" shows what there is of it\n`;
  const said = `wochit-relay: no delivery "${id}": that is the id of an event${shows(`events show ${id}`)}`;
  assert.equal(await refusal("deliveries show", id), said);
  assert.equal(await refusal("deliveries retry", "nonsense_1"), 'wochit-relay: no delivery "nonsense_1"\n');
  for (const [line, given, command] of [
    ["videos show", "page-1", "videos show v1"],
    ["videos show", "page-2", "videos show 'v2 a'"],
    ["videos show", "page-3", "contexts show page-3"],
    ["contexts show", "v1", "videos show v1"],
    ["contexts show", "ection nigh", "videos show v1"],
    ["events show", "app", "endpoints show app"],
  ] as const) {
    assert.ok((await refusal(line, given)).endsWith(shows(command)), `${line} ${given}`);
  }
  assert.match(await refusal("endpoints show", "ap"), /did you mean "app"\?\n$/, "its own advice suffices");
});

test("a terminal that takes no escapes gets none", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const list = async (env: Record<string, string>) =>
    (await callCli(["events", "list", "--config", seeded.configPath], { width: 80, env })).stdout;
  assert.match(await list({ TERM: "xterm" }), /\x1b\[/);
  assert.doesNotMatch(await list({ TERM: "dumb" }), /\x1b/);
  const doctor = async (env: Record<string, string>) =>
    (await callCli(["doctor", "--offline", "--config", seeded.configPath], { width: 80, env })).stderr;
  assert.match(await doctor({ TERM: "xterm" }), /\x1b\[K/);
  assert.equal(await doctor({ TERM: "dumb" }), "");
});

test("a file that is missing is said to be so once", async (t) => {
  const seeded = await openSeeded(t);
  const { stderr } = await runCli(["contexts", "import", "/nowhere/at-all.csv", "--config", seeded.configPath]);
  assert.match(stderr, /cannot read \/nowhere\/at-all\.csv: no such file/);
  assert.doesNotMatch(stderr, /ENOENT/);
});
