import { parseDuration } from "../config/units.ts";
import { RelayError } from "../errors.ts";
import { shortTime } from "./format.ts";

/** A zone: minutes east of UTC at a moment (milliseconds since 1970). */
export type Zone = (moment: number) => number;

export const UTC: Zone = () => 0;

/** The forms of a time, in one line of help. */
export const TIME_FORMS = "2026-01-31, 2026-01-31 08:00, 08:00, today, yesterday, or how long ago (2h, 7d)";

const MINUTE = 60_000;
const DAY = 86_400_000;

const DATE = String.raw`(?:(?<year>\d{4})-)?(?<month>\d\d)-(?<day>\d\d)`;
const CLOCK = String.raw`(?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d)(?::(?<second>[0-5]\d)(?:\.(?<fraction>\d{1,9}))?)?`;
const NAMED_ZONE = String.raw`(?<zone>Z|(?<sign>[+-])(?<east>[01]\d|2[0-3])(?::?(?<minutes>[0-5]\d))?)`;

/** ISO 8601, and the forms in which tables write times: a blank for the T, and on narrow terminals no year. */
const MOMENT = new RegExp(`^(?:${DATE}[T ])?${CLOCK} ?${NAMED_ZONE}?$`);
const WHOLE_DAY = new RegExp(`^${DATE}$`);

/** Years that are tried for a date without one: 29 February may be eight years ago. */
const YEARS = 8;

/**
 * The moment that `--since` or `--until` means: a date, a date and a time of day, a time of day (the last such moment), "today"
 * and "yesterday" (their beginnings), or how long ago ("2h", "7d"). Without a zone of its own it is in `zone`. A time that a
 * change of the clock gives twice is the first of the two; one that it leaves out is as much later as the clock was put
 * forward. RelayError("usage") for anything else. `now`: milliseconds since 1970.
 */
export function parseTime(text: string, now: number, zone: Zone = UTC): number {
  const given = text.trim();
  const ago = parseDuration(given);
  const moment = ago === null ? readMoment(given, now, zone) : now - ago;
  if (moment === null) throw new RelayError("usage", `"${text}" is no time: write one like ${TIME_FORMS}`);
  return moment;
}

/** RelayError("usage") where nothing lies between the two. */
export function checkRange({ since, until }: { since?: number | undefined; until?: number | undefined }): void {
  if (since === undefined || until === undefined || since < until) return;
  const [from, to] = [since, until].map((moment) => shortTime(new Date(moment).toISOString()));
  throw new RelayError("usage", `the range is empty: it begins at ${from} and ends at ${to}`);
}

function readMoment(text: string, now: number, local: Zone): number | null {
  const today = Math.floor((now + local(now) * MINUTE) / DAY) * DAY;
  if (text === "today") return momentAt(today, local);
  if (text === "yesterday") return momentAt(today - DAY, local);
  const found = (MOMENT.exec(text) ?? WHOLE_DAY.exec(text))?.groups;
  if (found === undefined) return null;
  const zone = zoneOf(found) ?? local;
  const clock = clockOf(found);
  if (found.month === undefined) return lastAt(clock, now, zone);
  if (found.year !== undefined) {
    const day = dayOf(Number(found.year), found);
    return day === null ? null : momentAt(day + clock, zone);
  }
  const thisYear = new Date(now + zone(now) * MINUTE).getUTCFullYear();
  const days = Array.from({ length: YEARS + 1 }, (_, back) => dayOf(thisYear - back, found));
  const moments = days.filter((day) => day !== null).map((day) => momentAt(day + clock, zone));
  return moments.find((moment) => moment <= now) ?? null;
}

type Found = Record<string, string | undefined>;

/** Of the zone that the text names. */
function zoneOf({ zone, sign, east, minutes = "0" }: Found): Zone | null {
  if (zone === undefined) return null;
  if (zone === "Z") return UTC;
  const offset = (Number(east) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  return () => offset;
}

/** Milliseconds from the beginning of the day. */
function clockOf({ hour = "0", minute = "0", second = "0", fraction = "" }: Found): number {
  const ms = Number(fraction.padEnd(3, "0").slice(0, 3));
  return ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + ms;
}

/** The day as if it were of UTC; null: the calendar has none such. */
function dayOf(year: number, { month, day }: Found): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, Number(month) - 1, Number(day));
  return date.getUTCMonth() === Number(month) - 1 ? date.getTime() : null;
}

/** The last moment, up to now, at which clocks showed this time of day. */
function lastAt(clock: number, now: number, zone: Zone): number {
  const today = Math.floor((now + zone(now) * MINUTE) / DAY) * DAY;
  const moments = [today, today - DAY].flatMap((day) => {
    const shown = momentsAt(day + clock, zone);
    return shown.length > 0 ? shown.reverse() : [momentAt(day + clock, zone)];
  });
  return moments.find((moment) => moment <= now)!;
}

/** The moment at which clocks show `wall`, a date and a time of day as if they were of UTC. */
function momentAt(wall: number, zone: Zone): number {
  // Where no clock shows it, it is read as one that was not put forward would show it.
  return momentsAt(wall, zone)[0] ?? wall - zone(wall - DAY) * MINUTE;
}

/** All such moments, the first one first: no zone is a day away from UTC, so a change of the clock lies between the two tries. */
function momentsAt(wall: number, zone: Zone): number[] {
  const offsets = new Set([zone(wall - DAY), zone(wall + DAY)]);
  return [...offsets]
    .map((offset) => ({ offset, moment: wall - offset * MINUTE }))
    .filter(({ offset, moment }) => zone(moment) === offset)
    .map(({ moment }) => moment)
    .sort((a, b) => a - b);
}
