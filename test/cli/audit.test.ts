import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

test("each command that changes something is in the audit, with the user that ran it; those that read are not", async (t) => {
  const { configPath, take } = await openSeeded(t, { endpoints: [endpoint("app")] });
  const config = ["--config", configPath];
  const run = async (line: string, code = 0) => {
    const ended = await callCli([...line.split(" "), ...config]);
    assert.equal(ended.code, code, `${line}: ${ended.stderr}`);
  };
  const id = await take(ready("v1"));
  const [delivery] = await callJson(["deliveries", "list", ...config]);
  await run("endpoints list");
  await run(`deliveries cancel ${delivery.id}`);
  await run("endpoints pause app --reason test");
  await run(`events replay ${id}`);
  await run("deliveries cancel --endpoint app --yes");
  await run(`videos forget ${delivery.videoId} --yes`);
  await run(`backup ${join(tempFolder(t), "copy.db")}`);
  await run("prune");
  await run(`deliveries cancel ${delivery.id}`, 1);
  const entries = await callJson(["audit", "list", ...config]);
  assert.deepEqual(
    entries.map(({ verb }) => verb),
    [
      ...["deliveries cancel", "prune", "backup", "videos forget", "deliveries cancel", "events replay"],
      ...["endpoints pause", "deliveries cancel"],
    ],
  );
  assert.match(entries[0].outcome, /cannot be canceled|is canceled|canceled/);
  assert.match(entries[4].subject, /^tsk_/);
  const who = `uid ${process.geteuid!()}`;
  for (const { through, by } of entries) assert.ok(through === "cli" && by.startsWith(who), by);
  const wrong = await callCli(["audit", "list", "--verb", "endpoints pauze", ...config]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /not "endpoints pauze": did you mean "endpoints pause"\?/);
  for (const verb of new Set(entries.map(({ verb }) => verb))) {
    assert.ok((await callJson(["audit", "list", "--verb", verb, ...config])).length > 0, verb);
  }
});
