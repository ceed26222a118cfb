import assert from "node:assert/strict";
import { test } from "node:test";
import { about } from "../../../src/store/core/tx.ts";
import type { Batch, Result } from "../../../src/store/postgres/batch.ts";
import { createQueue, type Time } from "../../../src/store/postgres/queue.ts";
import { testClock } from "../../support/ports.ts";

type Given = { perWrite: number; silentFor?: number; refuses?: boolean };

/**
 * A queue to a database that takes `perWrite` for each write of a commit. `silentFor`: until then it does not answer, or, where
 * it `refuses`, does so at once. Milliseconds.
 */
function openQueue({ perWrite, silentFor = 0, refuses = false }: Given) {
  const clock = testClock();
  const commit = ({ jobs }: Batch, { until }: Time) => {
    const { promise, resolve, reject } = Promise.withResolvers<Result[]>();
    const begun = clock.elapsed();
    const isAway = begun < silentFor;
    const takes = isAway ? Number.POSITIVE_INFINITY : jobs.length * perWrite;
    if (takes <= until - begun) clock.after(takes, () => resolve(jobs.map(() => ({ value: null }))));
    else clock.after(isAway && refuses ? 1 : until - begun, () => reject(new Error("no answer")));
    return promise;
  };
  const queue = createQueue({
    ...{ clock, commit, isTrouble: () => true, isPassing: () => false, committed() {}, onTrouble() {} },
    probe: about("v", async () => {}),
  });
  let count = 0;
  return {
    ...{ clock, queue },
    /** Whether it is committed. */
    write: () =>
      queue.write(about(`v${count++}`, async () => {})).then(
        () => true,
        () => false,
      ),
  };
}

test("trouble with two causes by turns is reported from time to time, and its end at once", async () => {
  const clock = testClock();
  const said: (string | null)[] = [];
  let tries = 0;
  const queue = createQueue({
    ...{
      clock,
      isTrouble: () => true,
      isPassing: () => false,
      committed() {},
      onTrouble: (line) => void said.push(line),
    },
    async commit({ jobs }) {
      if (clock.elapsed() < 12_000) throw new Error(`cause ${++tries % 2}`);
      return jobs.map(() => ({ value: null }));
    },
    probe: about("v", async () => {}),
  });
  for (let n = 0; n < 140; n++) {
    queue.write(about("v", async () => {})).catch(() => {});
    await clock.advance(100);
  }
  assert.ok(tries > 40, `${tries}`);
  assert.ok(said.length >= 3 && said.length <= 5, said.join());
  assert.equal(said.at(-1), null);
  await queue.close();
});

async function countOf(outcomes: Promise<boolean>[]): Promise<number> {
  return (await Promise.all(outcomes)).filter((is) => is).length;
}

test("after an outage of eight seconds what comes on and on is committed again", async () => {
  const { clock, queue, write } = openQueue({ perWrite: 5, silentFor: 8_000 });
  const outcomes: Promise<boolean>[] = [];
  for (let n = 0; n < 1_600; n++) {
    outcomes.push(write());
    await clock.advance(25);
  }
  await clock.advance(20_000);
  // A wait of ten seconds is given up: some of those that came in the first eight.
  const committed = await countOf(outcomes);
  assert.ok(committed >= 1_280, `${committed}`);
  await queue.close();
});

test("a write that has waited almost for as long as it may has the time for a commit, too", async () => {
  const { clock, queue, write } = openQueue({ perWrite: 400, silentFor: 9_700, refuses: true });
  const outcomes = [write()];
  await clock.advance(9_000);
  outcomes.push(write());
  await clock.advance(20_000);
  assert.equal(await countOf(outcomes), 2);
  await queue.close();
});

test("a database that is too slow for a large commit gets smaller ones", async () => {
  const { clock, queue, write } = openQueue({ perWrite: 20 });
  const outcomes = Array.from({ length: 300 }, write);
  await clock.advance(30_000);
  const committed = await countOf(outcomes);
  assert.ok(committed >= 192, `${committed}`);
  await queue.close();
});
