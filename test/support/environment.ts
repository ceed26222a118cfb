import process from "node:process";

/**
 * What runs a program at all, the cache that makes its start quicker (scripts/test.ts), and the machine's clock and zone as a
 * test run may have set them (scripts/test-clock.ts).
 */
const INHERITED = [
  "PATH",
  "HOME",
  "DENO_DIR",
  "NODE_COMPILE_CACHE",
  "TZ",
  "LD_PRELOAD",
  "FAKETIME",
  "FAKETIME_SHARED",
  "DONT_FAKE_MONOTONIC",
  "FAKETIME_DONT_FAKE_MONOTONIC",
];

/** The environment of a program that a test starts, where nothing of the test's own may be passed on. */
export function bareEnvironment(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
