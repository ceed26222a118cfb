import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type OpenBody, openInProcess } from "./pipeline/bodies.ts";
import type { Command } from "./pipeline/commands.ts";
import type { Settings } from "./pipeline/life.ts";
import { openAsProcess } from "./pipeline/process.ts";
import { playWalk, walk } from "./pipeline/walk.ts";

// A short form of `npm run test:pipeline`, with the same seeds at each run.

test("pipeline: no film is lost or overwritten, no sent link dead, nothing left behind, whatever weather and deaths", async () => {
  let kills = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const walked = await walk(seed, { shorten: false });
    assert.equal(walked.said, null);
    kills += walked.kills;
  }
  assert.ok(kills > 4, `${kills} deaths`);
});

test("pipeline: the same where each life is a process of its own, and its death a SIGKILL", async () => {
  const walked = await walk(3, { openBody: openAsProcess, shorten: false, length: 15 });
  assert.equal(walked.said, null);
  assert.ok(walked.kills > 0);
});

const KEEPS: Settings = { enabled: true, target: "one", onDelete: "keep" };
const DRAFT: Command = { do: "post", type: "draft.update", v: "v", thumb: "x", life: null };
const LIVES: Command = { do: "live", ms: 1_000 };
const OFF: Command = { do: "config", by: "reload", change: { enabled: false } };

/** What walks have found, and what leads there. */
const FOUND: Record<string, Command[]> = {
  "a picture that was about to be fetched anew when mirroring was switched off is, once it is on": [
    ...[DRAFT, LIVES, { ...DRAFT, edit: true }, OFF],
  ],
  "a picture that changed while mirroring was off is fetched anew once it is on": [
    ...[DRAFT, LIVES, OFF, { ...DRAFT, edit: true }],
  ],
};

for (const [promise, list] of Object.entries(FOUND)) {
  test(`pipeline: ${promise}`, async () => {
    assert.equal((await playWalk({ list, settings: KEEPS })).broken, null);
  });
}

test("pipeline: a death that loses copies is found", async () => {
  const openBody: OpenBody = async (folder, options) => {
    const body = await openInProcess(folder, options);
    const bury = async () => {
      await body.bury();
      rmSync(join(folder, "current", "targets", "one"), { recursive: true });
    };
    return { ...body, bury };
  };
  const list: Command[] = [
    { do: "post", type: "video.ready", v: "v", video: "a", life: null },
    ...[LIVES, { do: "kill", at: "verb", after: 0 } as Command, LIVES],
  ];
  const { broken, kills } = await playWalk({ list, settings: KEEPS }, openBody);
  assert.deepEqual([broken?.promise, kills], ["no film is overwritten", 1]);
  assert.match(broken!.detail, /^v\/video\.mp4 is mirrored, and answers 404\n/);
});
