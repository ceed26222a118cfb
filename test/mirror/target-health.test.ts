import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { openTarget } from "../../src/mirror/target.ts";
import { createTargetHealth, placeOf } from "../../src/mirror/target-health.ts";
import { OwnTrouble } from "../../src/mirror/trouble.ts";
import { testClock } from "../support/ports.ts";

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "relay-health-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const clock = testClock();
  const real = await openTarget({ type: "local", dir: join(folder, "media") });
  const state = { put: real.put, probes: [] as string[] };
  const target = {
    ...real,
    put: (...args: Parameters<typeof real.put>) => {
      state.probes.push(args[0]);
      return state.put(...args);
    },
  };
  const spoolDir = join(folder, "spool");
  const health = createTargetHealth({ target, clock, spoolDir });
  const left = async () => [...(await readdir(join(folder, "media"))), ...(await readdir(spoolDir))];
  return { health, clock, state, real, left };
}

const refuse = () => Promise.reject(new Error("no space left"));

test("a target that nobody complained of is not probed", async (t) => {
  const { health, state } = await open(t);
  await health.check("v1");
  assert.deepEqual([health.trouble(), state.probes], [null, []]);
});

test("a target in trouble is probed at most every ten seconds, however many ask, until a copy was kept", async (t) => {
  const { health, clock, state, real, left } = await open(t);
  state.put = refuse;
  assert.equal(health.failed("v1", "target: no space left"), 10_000);
  assert.equal(health.trouble(), "target: no space left");
  await Promise.all(["v1", "v2", "v1"].map((place) => assert.rejects(health.check(place), OwnTrouble)));
  await clock.advance(9_999);
  await assert.rejects(health.check("v3"), /target: no space left/);
  assert.deepEqual(state.probes, ["~probe"]);
  state.put = real.put;
  await clock.advance(1);
  await health.check("v2");
  await health.check("v1");
  assert.deepEqual(state.probes, ["~probe", "~probe", "v1/~probe"]);
  assert.notEqual(health.trouble(), null, "what failed has not worked yet");
  health.worked("v1");
  assert.equal(health.trouble(), null);
  assert.deepEqual(await left(), []);
});

test("where probes succeed and copies fail, the waits grow, up to five minutes", async (t) => {
  const { health, clock } = await open(t);
  const waits: number[] = [];
  for (let round = 0; round < 7; round++) {
    await health.check("v1");
    waits.push(health.failed("v1", "target: no space left") / 1000);
    assert.equal(health.failed("v1", "target: no space left") / 1000, waits.at(-1), "at the same time: once");
    await clock.advance(waits.at(-1)! * 1000);
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300]);
});

test("a target that does not answer is in trouble, and does not hold anybody up", async (t) => {
  const { health, clock, state } = await open(t);
  state.put = () => new Promise(() => {});
  health.failed("v1", "target: timeout");
  const checked = assert.rejects(health.check("v1"), /target: it does not answer within 3 s/);
  await clock.advance(3_000);
  await checked;
});

test("trouble that nobody comes back to is forgotten", async (t) => {
  const { health, clock } = await open(t);
  health.failed("v1", "target: no space left");
  await clock.advance(600_000);
  assert.equal(health.trouble(), null);
});

test("a place is the folder of a copy", () => {
  assert.equal(placeOf("{videoId}/{kind}{ext}", { videoId: "v1", kind: "video" }), "v1");
  assert.equal(placeOf("a/{kind}/{videoId}{ext}", { videoId: "v1", kind: "video" }), "a/video");
  assert.equal(placeOf("{videoId}-{kind}{ext}", { videoId: "v1", kind: "video" }), ".");
});
