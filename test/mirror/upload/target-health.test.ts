import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { createTargetHealth } from "../../../src/mirror/upload/target-health.ts";
import { openTarget } from "../../../src/targets/table.ts";
import type { MirrorTarget } from "../../../src/targets/target.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

async function open(t: TestContext, { spoolDir }: { spoolDir?: string } = {}) {
  const folder = tempFolder(t);
  const clock = testClock();
  const ports = testPorts(clock);
  const real = await openTarget({ type: "local", dir: join(folder, "media") });
  const state = { put: real.put, delete: real.delete, probes: [] as string[] };
  const target: Pick<MirrorTarget, "put" | "delete"> = {
    put: (...given) => {
      state.probes.push(given[0]);
      return state.put(...given);
    },
    delete: (...given) => state.delete(...given),
  };
  const spool = spoolDir ?? join(folder, "spool");
  const health = createTargetHealth({ target, ports, spoolDir: spool });
  const left = async () =>
    [...(await readdir(join(folder, "media"))), ...(await readdir(spool))].filter((name) => name !== ".incoming");
  const facts = () => ports.log.facts;
  const lines = () => ports.log.facts.map(({ level, fact }) => `${level}: ${fact}`);
  return { health, clock, state, real, left, facts, lines, folder };
}

const refuse = () => Promise.reject(new Error("no space left"));

test("a target without a failed upload is not probed", async (t) => {
  const { health, clock, state, lines } = await open(t);
  assert.equal(health.mayTry(), true);
  await clock.advance(100_000);
  assert.deepEqual([health.mayTry(), health.trouble()], [true, null]);
  assert.deepEqual([state.probes, lines()], [[], []]);
});

test("a target in trouble is probed every ten seconds, however many ask, until it keeps a probe", async (t) => {
  const { health, clock, state, real, left, facts, lines } = await open(t);
  const since = clock.now();
  state.put = refuse;
  const verdicts = await Promise.all([1, 2, 3].map(() => health.failed(new Error("reset"))));
  assert.deepEqual(verdicts, [true, true, true]);
  assert.equal(health.mayTry(), false);
  assert.equal(health.trouble(), "no space left");
  for (let ask = 0; ask < 50; ask++) health.mayTry();
  await clock.advance(9_999);
  health.mayTry();
  assert.deepEqual(state.probes, ["~probe"]);
  await clock.advance(1);
  health.mayTry();
  await waitFor(() => state.probes.length === 2);
  assert.equal(health.mayTry(), false);

  state.put = real.put;
  await clock.advance(10_000);
  assert.equal(health.mayTry(), false);
  await waitFor(() => health.mayTry());
  assert.equal(health.trouble(), null);
  assert.deepEqual(lines(), ["error: the mirror target is down: uploads wait", "info: the mirror target works again"]);
  assert.equal(facts()[1]?.fields.ms, clock.now() - since);
  await waitFor(async () => (await left()).length === 0);
});

test("a copy that kept it is all the proof that is needed", async (t) => {
  const { health, state, lines } = await open(t);
  state.put = refuse;
  await health.failed(new Error("reset"));
  health.worked();
  assert.deepEqual([health.mayTry(), health.trouble()], [true, null]);
  assert.deepEqual(lines(), ["error: the mirror target is down: uploads wait", "info: the mirror target works again"]);
});

test("a single failed upload delays no other, and the target does not count as down", async (t) => {
  const { health, state, real, lines } = await open(t);
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  state.put = (...given) => asked.then(() => real.put(...given));
  const failed = health.failed(new Error("too large"));
  await waitFor(() => state.probes.length === 1);
  assert.deepEqual([health.mayTry(), health.trouble()], [false, null], "that is being found out");
  answer();
  assert.equal(await failed, false);
  assert.deepEqual([health.mayTry(), health.trouble()], [true, null]);
  assert.deepEqual(lines(), []);
});

test("a target that does not answer is left alone, and its failed upload ends soon", async (t) => {
  const { health, clock, state, real, lines } = await open(t);
  let answer = () => {};
  state.put = (...given) =>
    new Promise((resolve) => {
      answer = () => resolve(real.put(...given));
    });
  const failed = health.failed(new Error("timeout"));
  await clock.advance(3_000);
  assert.equal(await failed, true);
  assert.equal(health.trouble(), "timeout");
  await waitFor(() => state.probes.length === 1);
  for (let second = 0; second < 70; second++) {
    await clock.advance(1_000);
    assert.equal(health.mayTry(), false);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await waitFor(() => lines().length === 1);
  assert.equal(health.trouble(), "no answer within 60 s");
  assert.ok(state.probes.length >= 6 && state.probes.length <= 8, `${state.probes.length} probes`);
  // One of those that were begun meanwhile has its answer after half a minute: slow, but not down.
  answer();
  await waitFor(() => health.mayTry());
});

test("who may write but not delete keeps copies all the same", async (t) => {
  const { health, state } = await open(t);
  state.delete = refuse;
  assert.equal(await health.failed(new Error("reset")), false);
});

test("a spool that takes no probe says nothing of the target", async (t) => {
  const folder = tempFolder(t);
  await mkdir(join(folder, "x"));
  const { health, state } = await open(t, { spoolDir: join(folder, "none", "spool") });
  state.put = refuse;
  assert.equal(await health.failed(new Error("reset")), false);
  assert.equal(health.mayTry(), true);
});
