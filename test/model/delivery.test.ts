import assert from "node:assert/strict";
import { test } from "node:test";
import { isWhole } from "../support/whole.ts";
import type { Command } from "./delivery/commands.ts";
import { DAY, HOUR, MINUTE, type Mistake, SECOND } from "./delivery/model.ts";
import { delivery } from "./delivery/walk.ts";
import { ENGINES, seedsFor, sqlite, stepsFor } from "./engines.ts";
import { findMistake, walk } from "./walk.ts";

// Short forms of `npm run test:model`, with the same seeds at each run.

const { steps, mistakes, alone, besideItself, besideStore } = delivery;

test("delivery: the rules keep what apps and operators rely on", async () => {
  for (let seed = 1; seed <= (isWhole ? 100 : 40); seed++)
    assert.equal((await walk(steps, seed, alone))?.said, undefined);
});

for (const [name, engine] of Object.entries(ENGINES)) {
  test(`delivery: ${name} does as the model does`, { skip: engine.skip }, async () => {
    for (const seed of seedsFor(engine, isWhole ? 8 : 3))
      assert.equal(
        (await walk(stepsFor(engine, steps), seed, (list) => besideStore(list, engine.open)))?.said,
        undefined,
      );
  });
}

const POST: Command = { do: "post", type: "video.ready", v: "v" };
const AUTOSAVE: Command = { do: "post", type: "draft.update", v: "v" };
const CLAIM: Command = { do: "claim", e: "c" };
const FAILS: Command[] = [CLAIM, { do: "settle", pick: 0, status: 500 }];
const later = (ms: number): Command => ({ do: "pass", ms });

const CLAIM_B: Command = { do: "claim", e: "b" };
const answers = (status: 200 | 422 | 500 | "connection", retryAfter?: number): Command => {
  return { do: "settle", pick: 0, status, ...(retryAfter && { retryAfter }) };
};
const times = (count: number, ...list: Command[]) => Array.from({ length: count }, () => list).flat();

/** Ten failures open the breaker; the first probe may go. */
const OUTAGE = [...times(10, POST), CLAIM_B, ...times(10, answers("connection")), later(5 * SECOND)];
/** Its own answer puts one off for 30 s; then ten failures open the breaker. */
const OWN_ANSWER = [
  ...[POST, CLAIM_B, answers(422), later(5 * SECOND), CLAIM_B, answers(422), later(SECOND)],
  ...[...OUTAGE, CLAIM_B],
];
/** The same for one that was asked to wait for a minute. */
const ASKED_TO_WAIT = [...[POST, CLAIM_B, answers(500, MINUTE), later(SECOND)], ...[...OUTAGE, CLAIM_B]];
const ABORTED: Command = { do: "settle", pick: 0, status: 422, abort: true };
const sent = (...claims: string[]) => claims.flatMap((e) => [{ do: "claim", e } as Command, answers(200)]);
const PRUNED: Command[] = [later(2 * HOUR), { do: "prune", bodies: HOUR, attempts: HOUR }];
const fails = (after: number): Command[] => [later(after), { do: "claim", e: "a" }, answers(500)];

/** Lists for mistakes that a random walk seldom meets. */
const LISTS: Partial<Record<Mistake, Command[]>> = {
  "a probe is made of one that waits after an answer of its own": OWN_ANSWER,
  "a probe is made before the Retry-After of its delivery": ASKED_TO_WAIT,
  "a closed breaker brings all forward": [...OWN_ANSWER, answers(200)],
  "a closed breaker brings forward what asked to wait": [...ASKED_TO_WAIT, answers(200)],
  "a probe spends": [...OUTAGE, CLAIM_B, answers("connection")],
  "a probe of the video that fails alone spends nothing": [...OUTAGE, CLAIM_B, answers(500)],
  "any attempt closes the breaker": [
    { do: "post", type: "video.ready", v: "w" },
    { do: "post", type: "video.ready", v: "v", media: "video" },
    { do: "post", type: "draft.update", v: "x", late: MINUTE },
    CLAIM_B,
    { do: "post", type: "draft.update", v: "w", media: "thumbnail", free: "b" },
    ...[7, 3].map((pick): Command => ({ do: "settle", pick, status: "connection" })),
    later(2 * DAY),
    { do: "settle", pick: 2, status: "connection" },
    { do: "settle", pick: 3, status: 200 },
  ],
  "two probes at once": [...OUTAGE, CLAIM_B, CLAIM_B],
  "an early attempt spends": [
    ...[...times(10, POST), CLAIM_B, ...times(9, answers("connection")), later(5 * SECOND)],
    // The breaker opens; all are put off by 30 s, and come before that once it has closed.
    ...[CLAIM_B, ...times(10, answers("connection")), later(5 * SECOND), CLAIM_B, answers(200), CLAIM_B, answers(500)],
  ],
  "a coalesced one begins its waits anew": [
    ...[AUTOSAVE, ...fails(0), ...fails(5 * SECOND)],
    ...times(2, AUTOSAVE, ...fails(30 * SECOND), ...fails(5 * SECOND)),
    ...[AUTOSAVE, ...fails(30 * SECOND), ...fails(5 * SECOND), ...fails(30 * SECOND)],
    ...[POST, { do: "claim", e: "a" } as Command],
  ],
  "one that is dead ends the haste of its lane": [
    ...[POST, ...FAILS, later(5 * SECOND), ...FAILS, later(30 * SECOND), ...FAILS, later(2 * MINUTE), ...FAILS],
    ...[POST, POST, ...FAILS, CLAIM],
  ],
  "one that is aside passes those before it": [
    ...[POST, POST, ...FAILS, later(5 * SECOND), ...FAILS, ...FAILS],
    ...[{ do: "retry", pick: 3 } as Command, CLAIM, later(5 * SECOND), CLAIM],
  ],
  "a lease that runs out lets others of its lane pass": [
    ...[POST, POST, { do: "cancel", pick: 3 } as Command, CLAIM, { do: "retry", pick: 3 } as Command],
    ...[later(31 * SECOND), CLAIM],
  ],
  "a task that retries works in order of making": [
    ...[POST, { do: "post", type: "video.ready", v: "w" } as Command, CLAIM_B, ...times(2, ABORTED)],
    ...[{ do: "replay", pick: 1, e: "b" } as Command, CLAIM_B, ABORTED],
    ...[
      { do: "task", verb: "retry", e: "b", size: 1 } as Command,
      ...times(2, { do: "batch", verb: "retry" } as Command),
    ],
  ],
  "what was replayed is pruned with its event": [
    ...[POST, ...sent("a", "b", "c"), { do: "replay", pick: 0, e: "c" } as Command, ...PRUNED],
  ],
  "an autosave that is the newest no longer stays": times(2, AUTOSAVE, ...sent("a", "b", "c"), ...PRUNED),
  "a late autosave goes whole": [
    ...[{ ...AUTOSAVE, late: MINUTE } as Command, ...sent("a", "b", "c"), AUTOSAVE, ...sent("a", "b", "c"), ...PRUNED],
  ],
  "a late 410 pauses anew": [
    ...[POST, { do: "post", type: "video.ready", v: "w" } as Command, CLAIM, { do: "pause", e: "c" } as Command],
    ...[{ do: "settle", pick: 0, status: 410 } as Command, { do: "settle", pick: 0, status: 410 } as Command],
  ],
};

for (const mistake of mistakes) {
  test(`delivery: with a mistake in the model ("${mistake}") it differs from the store`, async () => {
    // Beside itself it differs soon where it does at all; the list that comes of it is then played with a store.
    const list = LISTS[mistake] ?? (await findMistake(delivery, mistake, 2_000))!.list;
    const [wrong, right] = await Promise.all([mistake, undefined].map((one) => besideStore(list, sqlite, one)));
    assert.notEqual(wrong, null);
    assert.equal(right, null);
  });
}

test("delivery: a walk that fails says seed, promise and a list from which no command can be left out", async () => {
  const mistake = "canceled while it runs, it ends at once";
  const play = (list: Command[]) => besideItself(list, mistake);
  const { walks: seed } = (await findMistake(delivery, mistake, 2_000))!;
  const { said, list } = (await walk(steps, seed, play))!;
  assert.match(said, /^seed \d+: [^\n]+: not kept\n {2}[^\n]+\n(?: {2}.+\n)+ {2}\{"do":/);
  const { promise } = (await play(list))!;
  for (const index of list.keys()) assert.notEqual((await play(list.toSpliced(index, 1)))?.promise, promise);
});
