import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isWhole } from "../support/whole.ts";
import { type OpenBody, openInProcess } from "./pipeline/bodies.ts";
import { type Command, HOUR } from "./pipeline/commands.ts";
import type { Settings } from "./pipeline/life.ts";
import { openAsProcess } from "./pipeline/process.ts";
import { playWalk, walk } from "./pipeline/walk.ts";

// Short forms of `npm run test:pipeline`, with the same seeds at each run.

test("pipeline: no film is lost or overwritten, no sent link dead, nothing left behind, whatever weather and deaths", async () => {
  let kills = 0;
  for (let seed = 1; seed <= (isWhole ? 3 : 2); seed++) {
    const walked = await walk(seed, { shorten: false });
    assert.equal(walked.said, null);
    kills += walked.kills;
  }
  assert.ok(kills > (isWhole ? 3 : 1), `${kills} deaths`);
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
  "a fresher link that comes while mirroring is off is what is asked once it is on": [
    { do: "host", name: "v/a.mp4", is: "missing", times: 9, part: 0, tags: "strong" },
    ...[{ do: "post", type: "video.ready", v: "v", video: "a", life: 2 * HOUR } as Command, LIVES, OFF],
    ...([
      { do: "again", pick: 0, life: 30 * HOUR },
      { do: "pass", ms: 2 * HOUR, renews: true },
    ] as Command[]),
  ],
  "a fresher link that comes while part of a film is on its way into the target is asked for the whole": [
    { do: "host", name: "v/c.mp4", is: "cut", times: 1, part: 0.7, tags: "date" },
    ...([
      { do: "post", type: "video.ready", v: "v", life: null, video: "c" },
      { do: "work", queue: "download", limit: 1, waits: true },
      { do: "pass", ms: 25 * HOUR, renews: true },
      { do: "work", queue: "download", limit: 9, waits: true },
      { do: "post", type: "video.ready", v: "v", life: null, video: "c" },
    ] as Command[]),
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

test("pipeline: a life may be a process of its own, and its death a SIGKILL", async () => {
  const [video, queues] = ["c", ["download", "upload"] as const];
  const list: Command[] = [
    { do: "host", name: "v/c.mp4", is: "cut", times: 1, part: 0.5, tags: "strong" },
    { do: "post", type: "video.ready", v: "v", video, life: null },
    ...queues.flatMap((queue): Command[] => [
      { do: "kill", at: "verb", after: 5 },
      { do: "work", queue, limit: 9, waits: true },
    ]),
    { do: "kill", at: "piece", after: 1 },
    LIVES,
  ];
  const { broken, kills } = await playWalk({ list, settings: KEEPS }, openAsProcess);
  assert.equal(broken, null);
  assert.ok(kills >= 2, `${kills} deaths`);
});
