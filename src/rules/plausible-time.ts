/** The earliest time of a machine's clock that is set, in milliseconds since 1970: this program is not older. */
export const EARLIEST_TIME = Date.UTC(2026, 0, 1);

/** The latest one: this program will not be in use any more. */
export const LATEST_TIME = Date.UTC(2076, 0, 1);

export function isPlausibleTime(ms: number): boolean {
  return ms >= EARLIEST_TIME && ms < LATEST_TIME;
}
