/** What a machine's clock that is set may say, in milliseconds since 1970; beyond it, it is wrong. */

/** This program is not older. */
export const EARLIEST_TIME = Date.UTC(2026, 0, 1);

/** It will not be in use by then. */
export const LATEST_TIME = Date.UTC(2076, 0, 1);

export function isPlausibleTime(ms: number): boolean {
  return ms >= EARLIEST_TIME && ms < LATEST_TIME;
}
