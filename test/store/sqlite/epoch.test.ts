import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { copyDatabase, restoreDatabase } from "../../../src/store/copy-database.ts";
import { openStore } from "../../../src/store/open.ts";
import { openSystem, START } from "../../model/intake/system.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock } from "../../support/ports.ts";

const open = (...[config, ports]: Parameters<Parameters<typeof openSystem>[0]>) =>
  openStore(config, ports, { role: "relay" });

const DAY = 86_400_000;

/** A folder whose database has this video `v` with as many events. */
async function make(t: TestContext, events: number): Promise<string> {
  const dir = tempFolder(t);
  const at = await openSystem(open, dir);
  for (let nth = 0; nth < events; nth++) await at.post(event("v"));
  await at.close();
  return dir;
}

/** Another folder, in which a copy of the database of `dir` was restored at `now`. */
async function restored(t: TestContext, dir: string, now: number): Promise<string> {
  const to = tempFolder(t);
  const [clock, file] = [testClock(now), join(to, "backup.db")];
  mkdirSync(to, { recursive: true });
  await copyDatabase(join(dir, "data", "relay.db"), file, { clock });
  await restoreDatabase(file, join(to, "data"), { clock });
  return to;
}

/** The sequences that the next event of each video gets. */
async function nextSequences(dir: string, videos: string[]): Promise<number[]> {
  const at = await openSystem(open, dir);
  try {
    const sequences = [];
    for (const [index, v] of videos.entries()) {
      await at.post(event(v));
      sequences.push(((await at.body(index))!.relay as { sequence: number }).sequence);
    }
    return sequences;
  } finally {
    await at.close();
  }
}

function event(v: string): string {
  return JSON.stringify({ type: "draft.update", wochitVideoId: v });
}

test("after a restore the sequences of all videos, also of unknown ones, are greater than any that were given", async (t) => {
  const dir = await make(t, 2);
  const copy = await restored(t, dir, START + DAY);
  // What came after the backup is lost, but an app has seen its sequence.
  assert.deepEqual(await nextSequences(dir, ["v", "lost"]), [3, 1]);
  assert.deepEqual(await nextSequences(copy, ["v", "lost", "v", "lost"]), [
    START + DAY + 1,
    START + DAY + 1,
    START + DAY + 2,
    START + DAY + 2,
  ]);
});

test("also when the clock is behind at the next restore, and at the one after that", async (t) => {
  const first = await restored(t, await make(t, 1), START + DAY);
  const second = await restored(t, first, START);
  assert.deepEqual(await nextSequences(second, ["v", "w"]), [START + DAY + 2 ** 20 + 1, START + DAY + 2 ** 20 + 1]);
  const third = await restored(t, second, START + DAY);
  const [next] = await nextSequences(third, ["x"]);
  assert.ok(next! > START + DAY + 2 ** 20 + 1);
  const later = await restored(t, third, START + 2 * DAY);
  assert.deepEqual(await nextSequences(later, ["x"]), [START + 2 * DAY + 1]);
});
