import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson } from "../support/spawn.ts";

test("a video is shown by a part of its title; where several have it they are listed", async (t) => {
  const seeded = await openSeeded(t);
  for (const [id, title] of Object.entries({ v1: "Election night", v2: "Election day", v3: "Weather" })) {
    await seeded.take(ready(id, { title }));
  }
  const config = ["--config", seeded.configPath];
  const show = (...args: string[]) => callCli(["videos", "show", ...args, ...config]);

  const one = await show("--title", "ion NIGHT");
  assert.equal(one.stdout, (await show("v1")).stdout);
  assert.match(one.stdout, /^videoId +v1$/m);
  const [json] = await callJson(["videos", "show", "--title", "weath", ...config]);
  assert.deepEqual([json.videoId, Array.isArray(json.undelivered)], ["v3", true]);

  const several = await show("--title", "election");
  assert.match(several.stdout, /^VIDEO .*\nv2 .*Election day.*\nv1 .*Election night.*\n$/);
  const cut = await show("--title", "election", "--limit", "1");
  assert.match(cut.stdout, /^VIDEO .*\nv2 .*\n$/);
  assert.match(cut.stderr, /there are more videos: --limit 10 shows more/);

  const none = await show("--title", "football");
  assert.deepEqual([none.code, none.stdout], [1, ""]);
  assert.match(none.stderr, /no video has "football" in its title/);
  for (const args of [[], ["v1", "--title", "election"], ["--title", "el"]])
    assert.equal((await show(...args)).code, 2);
});
