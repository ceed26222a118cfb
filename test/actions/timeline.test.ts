import assert from "node:assert/strict";
import { test } from "node:test";
import { timeline } from "../../src/actions/outcome/timeline.ts";
import type { LoggedAttempt } from "../../src/model/delivery.ts";
import type { Medium } from "../../src/model/medium.ts";

const medium = (more: Partial<Medium>) =>
  ({
    id: "med_1",
    state: "pending",
    attempts: 0,
    nextAttemptAt: null,
    firstTriedAt: null,
    securedAt: null,
    settledAt: null,
    lastError: null,
    ...more,
  }) as Medium;
const attempt = (startedAt: number, status: number | null, error: string | null) =>
  ({ startedAt, status, error }) as LoggedAttempt;
const sent = (attemptLog: LoggedAttempt[], gate: { openedAt: number; by: string } | null = null) => ({
  ...{ id: "dlv_1", endpoint: "cms", gate, attemptLog },
});

const CASES: [string, Parameters<typeof timeline>, string[]][] = [
  ["an event that nothing was done for", [{ receivedAt: 5 }, [], []], ["5 received"]],
  ["a medium on its way", [{ receivedAt: 5 }, [medium({ firstTriedAt: 6 })], []], ["5 received", "6 tried med_1"]],
  [
    "a medium that was mirrored, and a gate that waited for it",
    [
      { receivedAt: 5 },
      [medium({ state: "mirrored", firstTriedAt: 6, securedAt: 7, settledAt: 9, lastError: "before" })],
      [sent([attempt(10, 200, null)], { openedAt: 9, by: "settled" })],
    ],
    [
      "5 received",
      "6 tried med_1",
      "7 secured med_1",
      "9 mirrored med_1",
      "9 opened dlv_1 cms settled",
      "10 attempted dlv_1 cms 200",
    ],
  ],
  [
    "a medium that expired, and attempts that failed",
    [
      { receivedAt: 5 },
      [medium({ state: "expired", firstTriedAt: 6, settledAt: 20, lastError: "HTTP 403" })],
      [sent([attempt(8, null, "timeout"), attempt(30, 500, "HTTP 500")])],
    ],
    [
      "5 received",
      "6 tried med_1",
      "8 attempted dlv_1 cms timeout",
      "20 expired med_1 HTTP 403",
      "30 attempted dlv_1 cms HTTP 500",
    ],
  ],
  [
    "a file that an earlier event had announced",
    [
      { receivedAt: 5_000 },
      [medium({ state: "mirrored", firstTriedAt: 1_000, securedAt: 1_100, settledAt: 1_200 })],
      [],
    ],
    ["1000 tried med_1", "1100 secured med_1", "1200 mirrored med_1", "5000 received"],
  ],
  [
    "a medium that a newer one superseded has no end of its own",
    [{ receivedAt: 5 }, [medium({ state: "superseded", settledAt: 9 })], []],
    ["5 received"],
  ],
];

for (const [name, given, expected] of CASES) {
  test(`timeline: ${name}`, () => {
    const lines = timeline(...given).map(({ at, what, of, endpoint, detail }) =>
      [Date.parse(at), what, of, endpoint, detail].filter((part) => part !== null).join(" "),
    );
    assert.deepEqual(lines, expected);
  });
}
