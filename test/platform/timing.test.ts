import assert from "node:assert/strict";
import { test } from "node:test";
import { abortAfter, every, sleep, within } from "../../src/platform/timing.ts";
import { testClock } from "../support/ports.ts";

const isPending = async (promise: Promise<unknown>) =>
  (await Promise.race([promise.then(() => "settled"), new Promise((resolve) => setImmediate(resolve))])) !== "settled";

const hangs = () => new Promise<never>(() => {});

test("a sleep lasts as long as it says, unless its signal is aborted", async () => {
  const clock = testClock();
  const whole = sleep(1_000, clock);
  await clock.advance(999);
  assert.ok(await isPending(whole));
  await clock.advance(1);
  await whole;

  const stop = new AbortController();
  const cut = sleep(1_000, clock, stop.signal);
  stop.abort();
  await cut;
  await sleep(1_000, clock, stop.signal);
});

test("work within its time gives its result, or its own error, and leaves no timer behind", async () => {
  const clock = testClock();
  const outer = new AbortController();
  const work = async (signal: AbortSignal) => signal;
  const seen = await within(1_000, clock, work, { signal: outer.signal });
  await assert.rejects(
    within(1_000, clock, async () => Promise.reject(new Error("broke"))),
    /^Error: broke$/,
  );
  await clock.advance(2_000);
  outer.abort();
  assert.equal(seen.aborted, false);
});

test("work that hangs is left behind when its time is over; its signal has the same reason", async () => {
  const clock = testClock();
  const signals: AbortSignal[] = [];
  const hang = (signal: AbortSignal) => {
    signals.push(signal);
    return hangs();
  };
  const late = within(1_500, clock, hang);
  const named = within(1_500, clock, hang, { late: () => new Error("too late") });
  const expected = [
    assert.rejects(late, /^Error: no answer within 1500 ms$/),
    assert.rejects(named, /^Error: too late$/),
  ];
  await clock.advance(1_500);
  await Promise.all(expected);
  assert.deepEqual(
    signals.map(({ reason }) => reason.message),
    ["no answer within 1500 ms", "too late"],
  );
});

test("an outer signal ends the work with its own reason, also before it began", async () => {
  const clock = testClock();
  const outer = new AbortController();
  const running = within(1_000, clock, hangs, { signal: outer.signal });
  outer.abort(new Error("stopped"));
  await assert.rejects(running, /^Error: stopped$/);
  const never = () => assert.fail("it began");
  await assert.rejects(within(1_000, clock, never, { signal: outer.signal }), /^Error: stopped$/);
});

test("work that is waited for to its end may still succeed after its signal", async () => {
  const clock = testClock();
  const { promise, resolve } = Promise.withResolvers<string>();
  let reason: unknown;
  const work = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => {
      reason = signal.reason;
    });
    return promise;
  };
  const waited = abortAfter(1_000, clock, work, { late: () => new Error("too late") });
  await clock.advance(1_000);
  assert.match(String(reason), /too late/);
  assert.ok(await isPending(waited));
  resolve("closed");
  assert.equal(await waited, "closed");

  const stop = AbortSignal.abort(new Error("stopped"));
  const fails = async () => Promise.reject(new Error("broke"));
  await assert.rejects(abortAfter(1_000, clock, fails, { signal: stop }), /^Error: stopped$/);
});

test("a repeated run waits for the end of the one before, and can be ended, also from within", async () => {
  const clock = testClock();
  const times: number[] = [];
  const start = clock.now();
  let release = () => {};
  const end = every(
    100,
    clock,
    () => {
      times.push(clock.now() - start);
      if (times.length !== 2) return undefined;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
    { first: 10 },
  );
  await clock.advance(500);
  assert.deepEqual(times, [10, 110]);
  release();
  await clock.advance(250);
  assert.deepEqual(times, [10, 110, 600, 700]);
  end();
  await clock.advance(500);
  assert.equal(times.length, 4);

  let runs = 0;
  const endFromWithin = every(100, clock, () => {
    runs++;
    endFromWithin();
  });
  await clock.advance(500);
  assert.equal(runs, 1);
});
