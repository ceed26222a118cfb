import { relativeTime } from "../../actions/format.ts";
import { flag, type Html, html, none } from "./html.ts";

// Times: the exact one and the relative one, both to be seen, in the zone of who looks.

/** Milliseconds since 1970, or ISO 8601. */
export type Time = number | string;

export type Times = ReturnType<typeof createTimes>;

/** A time is written without its day when it is nearer than this, in milliseconds. */
const NEAR = 12 * 3_600_000;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Zones whose formatters are kept. */
const KEPT = 64;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** "UTC" for what is no zone that the runtime knows. */
export function zoneOf(given: string | null): string {
  return given !== null && formatterOf(given) !== null ? given : "UTC";
}

function formatterOf(zone: string): Intl.DateTimeFormat | null {
  const known = formatters.get(zone);
  if (known !== undefined) return known;
  if (!/^[A-Za-z][\w+/-]{1,63}$/.test(zone)) return null;
  try {
    const [year, month, day] = ["numeric", "numeric", "numeric"] as const;
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
    const made = new Intl.DateTimeFormat("en", { timeZone: zone, year, month, day, ...clock });
    if (formatters.size >= KEPT) formatters.delete(formatters.keys().next().value!);
    formatters.set(zone, made);
    return made;
  } catch {
    return null;
  }
}

/** `now`: milliseconds since 1970. */
export function createTimes(now: number, zone: string) {
  const format = formatterOf(zone) ?? formatterOf("UTC")!;
  const msOf = (time: Time) => (typeof time === "number" ? time : Date.parse(time));

  /** `02:41:07`, or `26 Nov 00:45:12` when it is more than half a day away; of another year `2025-11-26 00:45:12`. */
  function exact(ms: number, millis = false): string {
    const part = partsOf(format, ms);
    const clock = `${part.hour}:${part.minute}:${part.second}`;
    const time = millis ? `${clock}.${String(ms % 1000).padStart(3, "0")}` : clock;
    if (Math.abs(ms - now) < NEAR) return time;
    const { year, month, day } = part;
    if (year === partsOf(format, now).year) return `${day} ${MONTHS[Number(month) - 1]} ${time}`;
    return `${year}-${month!.padStart(2, "0")}-${day!.padStart(2, "0")} ${time}`;
  }

  /** To the second unless the thousandth is shown: three digits that are never the same add a tenth to a list. */
  function isoOf(ms: number, millis = false): string {
    const iso = new Date(ms).toISOString();
    return millis ? iso : iso.replace(/\.\d+/, "");
  }

  /** "3 min ago"; the script keeps it right. */
  function since(time: Time): Html {
    const ms = msOf(time);
    return html`<span data-ago="${isoOf(ms)}">${relativeTime(ms, now)}</span>`;
  }

  /**
   * `millis`: to the thousandth; `relative`: how far away it is, too. The script takes the age's time from the element before it:
   * written twice it would make a list a thirtieth heavier.
   */
  function at(time: Time, { millis = false, relative = false } = {}): Html {
    const ms = msOf(time);
    const away = relative ? html` <span class="soft" data-ago>${relativeTime(ms, now)}</span>` : none;
    return html`<time datetime="${isoOf(ms, millis)}"${flag("data-millis", millis)}>${exact(ms, millis)}</time>${away}`;
  }

  return {
    now,
    zone,
    at,
    since,
    /** The same within a row that has a `when` of it: the script takes the time from there. */
    sinceOfRow: (time: Time): Html => html`<span data-ago>${relativeTime(msOf(time), now)}</span>`,
    /** "14:00": the hour in which it lies. */
    hour: (time: Time): string => `${partsOf(format, msOf(time)).hour}:00`,
    /** Two lines, for a cell of a table. */
    when(time: Time): Html {
      const ms = msOf(time);
      return html`${at(ms)}<span class="under" data-ago>${relativeTime(ms, now)}</span>`;
    },
    /** "3 h 20 min", without its direction. */
    span: (time: Time): string => relativeTime(msOf(time), now).replace(/^in | ago$/g, ""),
  };
}

function partsOf(format: Intl.DateTimeFormat, ms: number): Record<string, string> {
  return Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
}
