import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startPruning } from "../../src/relay/pruning.ts";
import { openAged, pruneAged } from "../support/archive.ts";
import { testPorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A relay's pruning over an archive of two days, whose videos were erased after that; its first look is after a second. */
async function open(t: TestContext, fails: () => boolean = () => false) {
  const at = await openAged(
    t,
    [0, 1].map((nth) => ({ type: "video.delete", wochitVideoId: `v${nth}` })),
  );
  await pruneAged(at, "first");
  const parts = await at.store.archiveParts({ limit: 9 });
  for (const video of ["v0", "v1"]) await at.store.forgetVideo(video, at.clock.now());
  const looks = { begun: 0, ended: 0 };
  let [waits, waitsAtEnd] = [0, 0];
  const partToRewrite: typeof at.store.partToRewrite = async (after) => {
    if (after === null) looks.begun++;
    if (fails()) throw new Error("no answer");
    const next = await at.store.partToRewrite(after);
    if (next === null) {
      looks.ended++;
      waitsAtEnd = waits;
    }
    return next;
  };
  const ports = testPorts({
    ...at.clock,
    after(ms, run) {
      if (ms === 10 * SECOND) waits++;
      return at.clock.after(ms, run);
    },
  });
  const pruning = startPruning({
    ...{ store: { ...at.store, partToRewrite }, ports, config: () => at.config },
    targets: () => assert.fail("there is no target"),
  });
  t.after(() => pruning.stop());
  const said = () => {
    const count = (fact: string) => ports.log.facts.filter((one) => one.fact === fact).length;
    return { failed: count("what was erased is still in the archive"), rewritten: count("archive rewritten") };
  };
  /** Lets this time pass, and waits until a look in it has ended, and the next one is waited for. */
  async function look(ms: number): Promise<ReturnType<typeof said>> {
    const before = looks.ended;
    await at.clock.advance(ms);
    await waitFor(() => looks.ended > before && waits > waitsAtEnd);
    return said();
  }
  return { folder: at.folder, clock: at.clock, parts, looks, look, said };
}

test("a part of the archive that fails holds no other up, and is tried again after ten minutes", async (t) => {
  const { folder, parts, look } = await open(t);
  const path = join(folder, parts.at(-1)!.key);
  const whole = readFileSync(path);
  writeFileSync(path, "x");
  assert.deepEqual(await look(SECOND), { failed: 1, rewritten: 1 });
  assert.deepEqual(await look(10 * SECOND), { failed: 1, rewritten: 1 });
  writeFileSync(path, whole);
  assert.deepEqual(await look(10 * MINUTE - 11 * SECOND), { failed: 1, rewritten: 1 });
  assert.deepEqual(await look(11 * SECOND), { failed: 1, rewritten: 2 });
});

test("where nothing can be written anew at all, that is said once in ten minutes", async (t) => {
  let isDown = true;
  const { clock, looks, look, said } = await open(t, () => isDown);
  await clock.advance(SECOND);
  await waitFor(() => said().failed === 1);
  for (let nth = 0; nth < 5; nth++) await clock.advance(10 * SECOND);
  assert.deepEqual([looks.begun, said().failed], [1, 1]);
  isDown = false;
  assert.deepEqual(await look(10 * MINUTE), { failed: 1, rewritten: 2 });
});
