import type { Clock } from "../../ports.ts";
import { failed, ok, type Probe, warning } from "../probe.ts";

/** `Date` headers of answers, and when on this machine each was asked for and came. */
export type Dates = { source: string; date: string; sent: number; received: number }[];

/** Milliseconds. Consumers refuse a signature that is 5 minutes old (Standard Webhooks), S3 one of 15. */
const OFF = 5_000;
const FAR_OFF = 60_000;

/** `Date` has whole seconds (RFC 9110, section 5.6.7). */
const SECOND = 1_000;

/**
 * How far this machine's clock is from another's, at least; milliseconds, positive where the other one is ahead. 0 when they may
 * well agree; null for a date that is none.
 */
export function skewOf({ date, sent, received }: Pick<Dates[number], "date" | "sent" | "received">): number | null {
  const at = Date.parse(date);
  if (Number.isNaN(at)) return null;
  // It was written at some time between the two, and tells a whole second in which that was.
  const [least, most] = [at - received, at + SECOND - sent];
  if (least > 0) return least;
  return most < 0 ? most : 0;
}

/** Compares this machine's clock with those that answered. */
export function clockProbe(dates: Dates, clock: Clock): Probe {
  return {
    name: "clock",
    patience: null,
    async run() {
      const now = new Date(clock.now()).toISOString();
      const skews = dates
        .flatMap(({ source, ...one }) => {
          const skew = skewOf(one);
          return skew === null ? [] : [{ source, skew }];
        })
        .toSorted((one, other) => Math.abs(other.skew) - Math.abs(one.skew));
      const [worst] = skews;
      if (worst === undefined) return ok(`${now}; nobody's answer to compare it with`);
      const off = skews.filter(({ skew }) => Math.abs(skew) > OFF);
      const sources = skews.map(({ source }) => source).join(", ");
      if (off.length === 0) return ok(`${now}, as ${sources} ${skews.length === 1 ? "has" : "have"} it`);
      const said = off.map(({ source, skew }) => `${tellSkew(skew)} of ${source}`).join(", ");
      const advice =
        off.length === skews.length
          ? "set this machine's clock (timedatectl set-ntp true): signatures that are minutes off are refused"
          : "other answers agree with this machine: set the clock of that one, which judges signatures by it";
      return (Math.abs(worst.skew) > FAR_OFF ? failed : warning)(`${now} is ${said}`, advice);
    },
  };
}

function tellSkew(skew: number): string {
  return `${Math.round(Math.abs(skew) / SECOND)} s ${skew > 0 ? "behind the clock" : "ahead of the clock"}`;
}
