import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { runPowerCut } from "../support/disk/powercut.ts";
import { noRecorder } from "../support/disk/recorder.ts";
import { isWhole } from "../support/whole.ts";

// Short forms of `npm run test:powercut`. Another seed every time: what a run has not met, the next one may.
const seed = process.env.POWERCUT_SEED ?? Date.now().toString(36);
const size = isWhole ? { events: 80, moments: 12 } : { events: 40, moments: 4 };

for (const [disk, failEvery] of [
  ["a good disk", null],
  ["a disk whose syncs fail now and then", 150],
] as const) {
  test(`a power cut on ${disk} loses nothing that was acknowledged`, {
    skip: noRecorder,
    timeout: 600_000,
  }, async (t) => {
    const { summary, problems } = await runPowerCut({ ...size, seed, failEvery });
    t.diagnostic(`seed ${seed}: ${summary}`);
    assert.deepEqual(problems.slice(0, 10), [], `seed ${seed}: ${summary}`);
  });
}
