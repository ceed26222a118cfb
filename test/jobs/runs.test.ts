import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseLost } from "../../src/errors.ts";
import { type Runs, runTask } from "../../src/jobs/runs.ts";
import { LEASE } from "../../src/model/job.ts";
import type { RunOutcome } from "../../src/model/task.ts";
import type { Store } from "../../src/store/store.ts";
import { testClock, testPorts } from "../support/ports.ts";

test("a run whose task is canceled is told that its lease is lost, and settles nothing; one that stops gives its task back", async () => {
  for (const isCanceled of [true, false]) {
    const clock = testClock();
    const settled: string[] = [];
    const store = {
      task: async () => ({ filter: {} }),
      renewTask: async (_: unknown, leaseFor: number) => {
        if (leaseFor === 0) settled.push("given back");
        return !isCanceled;
      },
      endRun: async () => void settled.push("ended"),
      failTask: async () => void settled.push("failed"),
      shared: null,
    } as unknown as Pick<Store, "task" | "renewTask" | "endRun" | "failTask" | "shared">;
    const reasons: unknown[] = [];
    const run = (_: unknown, signal: AbortSignal) =>
      new Promise<RunOutcome>((_, reject) =>
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        }),
      );
    const stopping = new AbortController();
    const job = { id: "tsk_1", verb: "move", rate: null, claim: "1" } as const;
    const running = runTask(
      { store, ports: testPorts(clock), runs: { move: run } as unknown as Runs },
      job,
      stopping.signal,
    );
    await clock.advance(1);
    if (isCanceled) await clock.advance(10_000);
    else stopping.abort(new Error("the relay is stopping"));
    await clock.advance(1);
    await running;
    assert.equal(reasons[0] instanceof LeaseLost, isCanceled);
    assert.deepEqual(settled, isCanceled ? [] : ["given back"]);
  }
});

test("on a shared store a task whose lease cannot be renewed ends before that does; alone it goes on", async () => {
  for (const isShared of [true, false]) {
    const clock = testClock();
    const store = {
      task: async () => ({ filter: {} }),
      renewTask: () => new Promise(() => {}),
      failTask: async () => {},
      shared: isShared ? { clock, onJump() {} } : null,
    } as unknown as Pick<Store, "task" | "renewTask" | "endRun" | "failTask" | "shared">;
    let hasEnded = false;
    const move = (_: unknown, signal: AbortSignal) =>
      new Promise<RunOutcome>((_, reject) =>
        signal.addEventListener("abort", () => {
          hasEnded = true;
          reject(signal.reason);
        }),
      );
    const job = { id: "tsk_1", verb: "move", rate: null, claim: "1" } as const;
    const runs = { move } as unknown as Runs;
    void runTask({ store, ports: testPorts(clock), runs }, job, new AbortController().signal);
    await clock.advance(LEASE / 2);
    assert.equal(hasEnded, false);
    await clock.advance(LEASE / 2 - 1_000);
    assert.equal(hasEnded, isShared);
  }
});
