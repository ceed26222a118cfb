import { parseDuration } from "../config/units.ts";
import { RelayError } from "../errors.ts";

/** A date, or a date and a time of day with or without seconds and zone; without a zone it is UTC. */
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
];

/** How far away a moment is, in at most two units: "in 3 h 20 min", "2 h ago", "now". */
export function tellWhen(moment: number, now: number): string {
  const away = Math.abs(moment - now);
  const at = UNITS.findIndex(({ ms }) => away >= ms);
  if (at < 0) return "now";
  const [unit, next] = [UNITS[at]!, UNITS[at + 1]];
  const count = Math.floor(away / unit.ms);
  const rest = next === undefined ? 0 : Math.floor((away % unit.ms) / next.ms);
  // The smaller unit is noise beside a large number, and beside minutes.
  const words = `${count} ${unit.name}${rest > 0 && count < 10 && unit.name !== "min" ? ` ${rest} ${next!.name}` : ""}`;
  return moment > now ? `in ${words}` : `${words} ago`;
}

/** A length of time in the largest unit that divides it: "6 h", "90 s", "1500 ms". */
export function tellSpan(ms: number): string {
  const unit = UNITS.find((one) => ms > 0 && ms % one.ms === 0) ?? { name: "ms", ms: 1 };
  return `${ms / unit.ms} ${unit.name}`;
}

/** The moment that `--since` or `--until` means: ISO 8601, or how long ago ("2h", "7d"). RelayError("usage") for anything else. */
export function parseWhen(text: string, now: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  const [, clock, , , zone] = ISO.exec(text) ?? [];
  const moment = ISO.test(text) ? Date.parse(clock && !zone ? `${text}Z` : text) : Number.NaN;
  if (Number.isNaN(moment)) {
    throw new RelayError("usage", `"${text}" is no time: write one like 2026-01-31T08:00:00Z, or how long ago: 2h, 7d`);
  }
  return moment;
}

/** `2026-11-21 21:15:03Z`: an ISO time as it is shown to people. */
export function shortTime(iso: string | null): string | null {
  return iso === null ? null : iso.replace("T", " ").replace(/\.\d+Z$/, "Z");
}
