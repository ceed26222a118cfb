import assert from "node:assert/strict";
import { test } from "node:test";
import { search } from "../../src/store/core/tasks/scope.ts";
import type { Tx } from "../../src/store/core/tx.ts";

/** How many steps one search takes where events never end, and how many of them match. */
async function stepsOf({ perStep = 0, matching = 0 }: { perStep?: number; matching?: number }): Promise<number> {
  let steps = 0;
  await search(
    {} as Tx,
    {
      ...{ from: null, isDown: false, limit: 1_000_000, perStep },
      drivers: async ({ events: { above = 0 } }) => {
        steps++;
        return [{ events: Array.from({ length: 501 }, (_, index) => above + index + 1) }];
      },
    },
    async (events) => ({
      items: events.slice(0, matching).map((id) => ({ id, event: id, video: 0, endpoint: null })),
      to: null,
    }),
  );
  return steps;
}

test("one search of a task reads 10,000 rows and then lets others go first, whatever matches, and whatever its steps read", async () => {
  const rows = 500 + 500;
  assert.equal(await stepsOf({}), 10_000 / rows);
  assert.equal(await stepsOf({ matching: 500 }), 10_000 / rows);
  assert.equal(await stepsOf({ perStep: 4_000 }), 10_000 / (rows + 4_000));
});
