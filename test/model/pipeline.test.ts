import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./pipeline/commands.ts";
import type { Settings } from "./pipeline/life.ts";
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
