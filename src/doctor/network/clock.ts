import { type Finding, failed, ok, warning } from "../probe.ts";

/** `Date` headers of answers, with this machine's time at the request and at the answer. */
export type Dates = { source: string; date: string; sent: number; received: number }[];

/** Milliseconds. Consumers refuse a signature that is 5 minutes old (Standard Webhooks), S3 one of 15. */
const OFF = 5_000;
const FAR_OFF = 60_000;

/** `Date` has whole seconds (RFC 9110, section 5.6.7). */
const SECOND = 1_000;

/**
 * The least difference of another machine's clock from this one, in milliseconds, positive where the other is ahead; 0 when they
 * may agree, NaN for a date that cannot be read.
 */
export function skewOf({ date, sent, received }: Pick<Dates[number], "date" | "sent" | "received">): number {
  const at = Date.parse(date);
  // The other machine wrote it between the two times, within the whole second that it names.
  return Math.max(at - received, Math.min(0, at + SECOND - sent));
}

/** Compares this machine's clock with those of the machines that answered. */
export function judgeClock(dates: Dates, at: number): Finding {
  const now = new Date(at).toISOString();
  const skews = dates
    .map((one) => ({ source: one.source, skew: skewOf(one) }))
    .filter(({ skew }) => !Number.isNaN(skew))
    .toSorted((one, other) => Math.abs(other.skew) - Math.abs(one.skew));
  const [worst] = skews;
  if (worst === undefined) return ok(`${now}; no answer to compare it with`);
  const off = skews.filter(({ skew }) => Math.abs(skew) > OFF);
  const sources = skews.map(({ source }) => source).join(", ");
  if (off.length === 0) return ok(`${now}, as ${sources} ${skews.length === 1 ? "has" : "have"} it`);
  const said = off.map(({ source, skew }) => `${formatSkew(skew)} of ${source}`).join(", ");
  const advice =
    off.length === skews.length
      ? "set this machine's clock (timedatectl set-ntp true): signatures that are minutes off are refused"
      : "other answers agree with this machine: set the clock of that one, which checks signatures by it";
  return (Math.abs(worst.skew) > FAR_OFF ? failed : warning)(`${now} is ${said}`, advice);
}

function formatSkew(skew: number): string {
  return `${Math.round(Math.abs(skew) / SECOND)} s ${skew > 0 ? "behind the clock" : "ahead of the clock"}`;
}
