import { relativeTime } from "../../actions/format.ts";
import type { Zone } from "../../actions/parse-time.ts";

const UTC = String.raw`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?Z`;
const WHOLE = new RegExp(`^${UTC}$`);
const WITHIN = new RegExp(`(?<!\\w)${UTC}(?!\\w)`, "g");

/** The moment that a text says, as actions write times; null where it says something else. */
export function momentOf(text: string): number | null {
  return WHOLE.test(text) ? Date.parse(text.replace(" ", "T")) : null;
}

/** `2026-01-31 09:00:00+01:00`, in UTC `2026-01-31 08:00:00Z`; `isShort`: without the year, `01-31 09:00:00+01`. */
export function showTime(moment: number, zone: Zone, { isShort = false } = {}): string {
  const offset = zone(moment);
  const local = new Date(moment + offset * 60_000).toISOString().slice(isShort ? 5 : 0, 19);
  return `${local.replace("T", " ")}${nameOf(offset, isShort)}`;
}

/** `(2 h ago)` */
export function showAge(moment: number, now: number): string {
  return `(${relativeTime(moment, now)})`;
}

/** A text whose times, which actions write in UTC, are of the zone. */
export function inZone(text: string, zone: Zone): string {
  return text.replace(WITHIN, (time) => showTime(momentOf(time)!, zone));
}

function nameOf(offset: number, isShort: boolean): string {
  if (offset === 0) return "Z";
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${two(hours)}${isShort && minutes === 0 ? "" : `:${two(minutes)}`}`;
}
