const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Deliveries that arrived in the hour that began at `hour`, in milliseconds since 1970. */
export type Ended = { hour: number; count: number };

/** From when on the hours are needed to say how fast a backlog goes. */
export const drainSince = (now: number): number => now - (now % HOUR) - HOUR;

/**
 * How fast the deliveries to an endpoint arrive, and how many minutes those that are open take at that rate, if nothing new comes;
 * null: none did. It is of this hour and the one before; of an hour in which none did nothing is counted, since the endpoint
 * was idle or held then.
 */
export function drain(open: number, ended: Ended[], now: number): { perMinute: number; minutesLeft: number | null } {
  let count = 0;
  let span = 0;
  for (const each of ended) {
    if (each.hour < drainSince(now) || each.hour > now || each.count === 0) continue;
    count += each.count;
    span += Math.max(MINUTE, Math.min(HOUR, now - each.hour));
  }
  if (count === 0) return { perMinute: 0, minutesLeft: null };
  const perMinute = count / (span / MINUTE);
  return { perMinute: Math.round(perMinute * 10) / 10, minutesLeft: Math.ceil(open / perMinute) };
}
