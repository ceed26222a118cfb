import { SECOND } from "../rules/schedule.ts";

/** The three forms of RFC 9110 §5.6.7 in outline. `Date.parse` alone would accept "in 5 minutes". */
const HTTP_DATE =
  /^[A-Z][a-z]{2,8}(?:, \d\d[ -][A-Z][a-z]{2}[ -](?:\d\d|\d{4}) \d\d:\d\d:\d\d GMT| [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/** The last date that the header can name. Seconds beyond it are taken for it: what comes of them is stored as an integer. */
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);

/**
 * The time in a `Retry-After` header: seconds from `now`, or an HTTP date (RFC 9110 §10.2.3); `now` for one that has passed.
 * Null when the header is absent or malformed. Of several headers the first one counts.
 */
export function parseRetryAfter(header: string | string[] | undefined, now: number): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (!text) return null;
  if (/^-?\d+$/.test(text)) return Math.min(Math.max(now, now + Number(text) * SECOND), LATEST);
  if (!HTTP_DATE.test(text)) return null;
  // The form of C's asctime names no zone, and is in GMT too.
  const date = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(date) ? null : Math.max(now, date);
}
