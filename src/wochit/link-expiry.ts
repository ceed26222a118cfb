import { Buffer } from "node:buffer";
import { isUrl } from "./address.ts";
import { nameOf } from "./link-identity.ts";

const HOUR = 3_600_000;

const DAY = 24 * HOUR;

/** The expiry parameter of other CDNs and home-made signatures; these never count as a signature. */
const END_NAMES = ["expires", "expiry", "expire", "expires_at", "expiresat", "expiration", "exp", "e"];

/** Akamai's tokens: `exp=…~acl=…~hmac=…`. */
const TOKEN_NAMES = ["hdnts", "hdnea", "hdntl", "__token__"];

/** What a parameter says of the expiry, beside the others of its link. */
type Reader = (value: string, values: Map<string, string>) => number | null;

const READERS = new Map<string, Reader>([
  ...END_NAMES.map((name) => [name, plainTime] as const),
  ...TOKEN_NAMES.map((name) => [name, tokenEnd] as const),
  ["x-amz-expires", (seconds, values) => after(values.get("x-amz-date"), seconds)],
  ["x-goog-expires", (seconds, values) => after(values.get("x-goog-date"), seconds)],
  ["se", (value, values) => (values.has("sig") ? isoTime(value) : null)],
  ["policy", (value, values) => (values.has("key-pair-id") ? policyEnd(value) : null)],
]);

/**
 * The expiry in a link, in milliseconds since 1970; the earliest of several; null where there is none. Only a hint: clocks
 * and links may be wrong. Runs for every link received.
 */
export function expiryOf(url: string): number | null {
  const query = url.indexOf("?");
  if (query === -1 || !isUrl(url)) return null;
  const hash = url.indexOf("#", query);
  const values = new Map<string, string>();
  for (const parameter of url.slice(query + 1, hash === -1 ? url.length : hash).split("&")) {
    const name = nameOf(parameter);
    values.set(name, parameter.slice(name.length + 1));
  }
  let earliest: number | null = null;
  for (const [name, value] of values) {
    const time = READERS.get(name)?.(decoded(value), values) ?? null;
    if (time !== null && (earliest === null || time < earliest)) earliest = time;
  }
  return earliest;
}

function decoded(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** A start like 20260131T235959Z, and seconds from then. */
function after(start: string | undefined, seconds: string): number | null {
  if (start === undefined) return null;
  const begin = isoTime(decoded(start).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  return begin === null || !/^\d{1,9}$/.test(seconds) ? null : begin + Number(seconds) * 1000;
}

/** Seconds since 1970, as ten digits: fewer would be before 2001. */
function epoch(seconds: string | undefined): number | null {
  return /^[1-9]\d{9}$/.test(seconds ?? "") ? Number(seconds) * 1000 : null;
}

function tokenEnd(token: string): number | null {
  return epoch(/(?:^|~)exp=(\d+)(?:~|$)/.exec(token)?.[1]);
}

/** Seconds or milliseconds since 1970, or a date and time with its zone; other forms are ambiguous. */
function plainTime(text: string): number | null {
  if (/^1\d{12}$/.test(text)) return Number(text);
  return epoch(text) ?? (/T.*(?:Z|[+-]\d\d:\d\d)$/.test(text) ? isoTime(text) : null);
}

/** The forms of ISO 8601 that Azure takes: a date, or a date and time in UTC or with an offset. */
function isoTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

/** DateLessThan of a CloudFront custom policy: JSON in base64 with `-_~` for `+=/`. */
function policyEnd(policy: string): number | null {
  if (policy.length > 4096) return null;
  const base64 = policy.replace(/[-_~]/g, (sign) => ({ "-": "+", _: "=", "~": "/" })[sign]!);
  try {
    const { Statement } = JSON.parse(Buffer.from(base64, "base64").toString());
    const seconds = Statement[0].Condition.DateLessThan["AWS:EpochTime"];
    return epoch(String(seconds));
  } catch {
    return null;
  }
}

/**
 * The time until which a link is tried: its own expiry, clamped to 1 h … 7 d after its receipt, because clocks and links may
 * be wrong; without one, `linkLifetime` (ms) after its receipt.
 */
export function deadlineOf(url: string, receivedAt: number, linkLifetime: number): number {
  const expiry = expiryOf(url);
  if (expiry === null) return receivedAt + linkLifetime;
  return Math.min(Math.max(expiry, receivedAt + HOUR), receivedAt + 7 * DAY);
}
