import type { Reply } from "./app.ts";

const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** One kind of trouble of an endpoint's app, with the default schedule. */
export type OutageCase = {
  name: string;
  /** How long the app is in trouble, in milliseconds. */
  lasts: number;
  /** What it answers `ms` after the trouble began; `now` is milliseconds since 1970. */
  during(ms: number, now: number): Reply;
  /** The trouble is of this video only. It never ends, and this video's events may die. */
  poison?: string;
  /** One video with one event comes as the trouble begins; the many with several come after so long, or not at all. Milliseconds. */
  aloneFor?: number;
  /** The endpoint's limit, in requests a second. */
  ratePerSecond?: number;
  /** Left to the whole form. */
  isLong?: boolean;
  /** After the trouble all must have arrived within this, in milliseconds, beside what `ratePerSecond` needs. */
  within: number;
};

/** Between two probes, at most; and so long all that waited takes then. */
const PROBE = 5 * MINUTE;
const DRAIN = 30 * SECOND;
const SOON = PROBE + DRAIN;

const down = () => ({ error: "ECONNREFUSED" });
const busy = (retryAfter: string) => ({ status: 429, headers: { "retry-after": retryAfter } });
const httpDate = (at: number) => new Date(at).toUTCString();

export const CASES: OutageCase[] = [
  { name: "refused, 5 minutes", lasts: 5 * MINUTE, during: down, within: SOON },
  {
    name: "refused, 5 minutes, at 30 a minute",
    lasts: 5 * MINUTE,
    during: down,
    ratePerSecond: 0.5,
    within: SOON,
  },
  { name: "refused, 8 hours", lasts: 8 * HOUR, during: down, within: SOON },
  { name: "refused, 72 hours", lasts: 72 * HOUR, during: down, within: SOON },
  {
    name: "refused, 72 hours, one event",
    isLong: true,
    lasts: 72 * HOUR,
    during: down,
    aloneFor: Number.POSITIVE_INFINITY,
    within: SOON,
  },
  {
    name: "a minute down, a minute up, 1 hour",
    lasts: HOUR,
    during: (ms) => (Math.floor(ms / MINUTE) % 2 === 0 ? down() : { status: 200 }),
    // Its breaker seldom opens: what failed again and again waits by its schedule, at most half an hour and its jitter.
    within: 36 * MINUTE + DRAIN,
  },
  { name: "503, 72 hours", isLong: true, lasts: 72 * HOUR, during: () => ({ status: 503 }), within: SOON },
  // Nothing shows that it is the endpoint's: it spends its schedule, which covers three days.
  {
    name: "503, 72 hours, one event",
    lasts: 72 * HOUR,
    during: () => ({ status: 503 }),
    aloneFor: Number.POSITIVE_INFINITY,
    within: 29 * HOUR,
  },
  // That others fail too shows that it is: once they arrive, the first goes with them.
  {
    name: "503, 24 hours, one event for the first 22",
    lasts: 24 * HOUR,
    during: () => ({ status: 503 }),
    aloneFor: 22 * HOUR,
    within: SOON,
  },
  { name: "429, Retry-After: 20", lasts: HOUR, during: () => busy("20"), within: SOON },
  {
    name: "429, Retry-After: a date",
    lasts: HOUR,
    during: (_, now) => busy(httpDate(now + 90 * SECOND)),
    within: SOON,
  },
  { name: "429, Retry-After: ten years", lasts: HOUR, during: () => busy("315360000"), within: HOUR + SOON },
  {
    name: "429, Retry-After: the year 9999",
    lasts: 5 * MINUTE,
    during: () => busy("Fri, 31 Dec 9999 23:59:59 GMT"),
    within: HOUR + SOON,
  },
  { name: "429, Retry-After: -5", lasts: HOUR, during: () => busy("-5"), within: SOON },
  { name: "429, Retry-After: soon", lasts: HOUR, during: () => busy("soon"), within: SOON },
  { name: "no answer, 8 hours", lasts: 8 * HOUR, during: () => "hang", within: SOON },
  { name: "503 that drips for ever, 1 hour", lasts: HOUR, during: () => ({ status: 503, drip: true }), within: SOON },
  { name: "200 that drips for ever, 1 hour", lasts: HOUR, during: () => ({ status: 200, drip: true }), within: SOON },
  {
    name: "certificate expired, 24 hours",
    lasts: 24 * HOUR,
    during: () => ({ error: "CERT_HAS_EXPIRED" }),
    within: SOON,
  },
  { name: "name gone, 24 hours", isLong: true, lasts: 24 * HOUR, during: () => ({ error: "ENOTFOUND" }), within: SOON },
  {
    name: "500 for one video, for ever",
    lasts: 5 * MINUTE,
    during: () => ({ status: 500 }),
    poison: "video-7",
    within: SOON,
  },
];
