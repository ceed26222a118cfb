import process from "node:process";

/** 13 months. */
const AHEAD = "+395d";

/** Of either side of Greenwich, and neither of them whole hours away. */
export const ZONES = ["Pacific/Chatham", "America/St_Johns"];

/**
 * They take long, and their subject is elsewhere: whole processes, builds, paces, outages. Or they hold the clock of a PostgreSQL
 * against this machine's: its server runs as another user, and has the real one.
 */
const LEFT_OUT =
  /^test\/(e2e|scripts)\/|^test\/(cli\/store-copy|store\/postgres\/wire\/primary|relay\/reload|targets\/s3\/(s3|respelled)|mirror\/(upload\/outage|download\/(rate-limits|resume)))\.test/;

/** Whether a test is worth a run under another clock. */
export const isDated = (file: string): boolean => !LEFT_OUT.test(file);

/** What runs a program under another clock, in another zone. Needs `faketime` (Debian has a package of that name). */
export function underOtherClock(program: string, args: string[], zone: string) {
  return {
    program: "faketime",
    args: ["-f", AHEAD, program, ...args],
    // What is measured, and waits that are bounded, go by the real time.
    env: { ...process.env, TZ: zone, DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" },
  };
}
