import { parseDuration } from "../config/units.ts";
import { RelayError } from "../errors.ts";

/** A date, or a date and a time of day with or without seconds and zone; without a zone it is UTC. */
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** The moment that `--since` or `--until` means: ISO 8601, or how long ago ("2h", "7d"). RelayError("usage") for anything else. */
export function parseTime(text: string, now: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  const [, clock, , , zone] = ISO.exec(text) ?? [];
  const moment = ISO.test(text) ? Date.parse(clock && !zone ? `${text}Z` : text) : Number.NaN;
  if (Number.isNaN(moment)) {
    throw new RelayError("usage", `"${text}" is no time: write one like 2026-01-31T08:00:00Z, or how long ago: 2h, 7d`);
  }
  return moment;
}
