import { randomBytes } from "node:crypto";
import type { Clock, Log, Ports, Random } from "../../src/ports.ts";

/** A clock that a test moves by hand; timers fire, in order, when it passes them. */
export type TestClock = Clock & { advance(ms: number): Promise<void>; set(now: number): void };

export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start;
  let next = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    elapsed: () => now - start,
    after(ms, run) {
      const id = next++;
      timers.set(id, { at: now + Math.max(0, ms), run });
      return () => timers.delete(id);
    },
    set(value) {
      now = value;
    },
    async advance(ms) {
      const until = now + ms;
      for (;;) {
        for (let turn = 0; turn < 5; turn++) await breathe();
        const due = [...timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].run();
      }
      now = until;
    },
  };
}

export type Fact = { level: keyof Log; fact: string; fields: Record<string, unknown> };

/** A log that remembers. */
export function testLog(): Log & { facts: Fact[] } {
  const facts: Fact[] = [];
  const at =
    (level: keyof Log) =>
    (fact: string, fields: Record<string, unknown> = {}) =>
      void facts.push({ level, fact, fields });
  return { facts, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Repeats itself for a seed (mulberry32), except for `bytes`, which nothing depends on. */
export function testRandom(seed = 1): Random {
  let state = seed >>> 0;
  return {
    float() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    },
    bytes: (length) => new Uint8Array(randomBytes(length)),
  };
}

export function testPorts(clock: Clock = testClock()): Ports & { log: ReturnType<typeof testLog> } {
  return { clock, random: testRandom(), log: testLog() };
}
