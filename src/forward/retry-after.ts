import { SECOND } from "../rules/schedule.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const CLOCK_TIME = "(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)";

const MONTH = `(?<month>${MONTHS.join("|")})`;

/** The three forms of RFC 9110 §5.6.7. `Date.parse` would accept "in 5 minutes". */
const DATE_FORMS = [
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${CLOCK_TIME} GMT$`),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${CLOCK_TIME} GMT$`),
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?<day>[ \\d]\\d) ${CLOCK_TIME} (?<year>\\d{4})$`),
];

/**
 * The time in a `Retry-After` header: seconds from `now`, or an HTTP date (RFC 9110 §10.2.3); `now` for one that has passed.
 * Null when the header is absent or malformed. Of several headers the first one counts.
 */
export function parseRetryAfter(header: string | string[] | undefined, now: number): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (!text) return null;
  if (/^-?\d+$/.test(text)) return Math.max(now, now + Number(text) * SECOND);
  const date = parseHttpDate(text, now);
  return date === null ? null : Math.max(now, date);
}

function parseHttpDate(text: string, now: number): number | null {
  for (const form of DATE_FORMS) {
    const parts = form.exec(text)?.groups;
    if (!parts) continue;
    let year = Number(parts.year);
    if (parts.year?.length === 2) {
      // A two-digit year that seems more than 50 years ahead is the latest such year in the past (RFC 9110 §5.6.7).
      const thisYear = new Date(now).getUTCFullYear();
      year += Math.floor(thisYear / 100) * 100;
      if (year > thisYear + 50) year -= 100;
    }
    const month = MONTHS.indexOf(parts.month ?? "");
    const [day, hour, minute, second] = [parts.day, parts.hour, parts.minute, parts.second].map(Number);
    return Date.UTC(year, month, day, hour, minute, second);
  }
  return null;
}
