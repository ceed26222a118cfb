import { setTimeout as sleep } from "node:timers/promises";
import { heard } from "./heard.ts";

/**
 * Asks again and again until the answer is neither undefined, null nor false, and gives it. After `ms` it throws, with the
 * last error that asking threw, if it threw, and what was heard. The default is for what never comes: on a busy machine all else may take long.
 */
export async function waitFor<T>(ask: () => T | Promise<T>, ms = 120_000): Promise<NonNullable<Exclude<T, false>>> {
  const until = performance.now() + ms;
  let last: unknown;
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) throw new Error(`waited ${ms} ms in vain for: ${ask}${heard()}`, { cause: last });
    await sleep(pause);
  }
}
