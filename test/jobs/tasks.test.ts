import assert from "node:assert/strict";
import { test } from "node:test";
import { RelayError } from "../../src/errors.ts";
import { type Workplace, workTask } from "../../src/jobs/tasks.ts";
import type { TaskJob } from "../../src/model/task.ts";
import { testClock, testPorts } from "../support/ports.ts";

test("a piece that the store has no time for is tried smaller, and grows again where there is time", async () => {
  const clock = testClock();
  const shares: number[] = [];
  let left = 200;
  const store: Partial<Workplace["store"]> = {
    async taskPiece(_, share = 1) {
      shares.push(share);
      const count = Math.min(left, Math.ceil(100 * share));
      const items = Array.from({ length: count }, (_, nth) => ({ id: `${nth}`, endpoint: null, video: nth }));
      return { items, from: null, to: "", isLast: count === left };
    },
    async workTask(_, { items, isLast }) {
      if (items.length > 10) throw new RelayError("store_unavailable", "PostgreSQL has not answered within 5 s");
      left -= items.length;
      return { isOurs: true, ended: isLast ? "done" : null };
    },
  };
  const job = { id: "tsk_1", verb: "retry", rate: null, claim: "1" } as TaskJob;
  const place = {
    store: store as Workplace["store"],
    ports: testPorts(clock),
    decode: async (body: Uint8Array) => body,
  };
  const working = workTask(place, job, { signal: new AbortController().signal, onPiece() {} });
  let isOver = false;
  void working.then(() => {
    isOver = true;
  });
  for (; !isOver; await new Promise(setImmediate)) await clock.advance(100);
  assert.equal(left, 0);
  assert.deepEqual(shares.slice(0, 4), [1, 0.25, 0.06, 0.12]);
  assert.ok(shares.every((share) => share >= 0.01));
});
