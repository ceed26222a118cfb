import * as v from "valibot";
import { errorLine } from "../errors.ts";
import { NOTICE_PREFIX, NOTICES } from "../model/notice.ts";
import { A_SECRET, secret, secretOr, text } from "../option-values.ts";
import { looksLikeNetwork, parseNetworks } from "../platform/net/addresses.ts";
import { isHostName } from "../platform/net/outbound.ts";
import { suggest } from "../rules/nearest.ts";
import { isReservedHeader } from "../rules/reserved-headers.ts";
import { nameOf, takesOut } from "../rules/topics.ts";
import { DURATION, parseDuration, parseSize, SIZE } from "./units.ts";

/** Kinds of values that options have beside those of `option-values.ts`. */

const A_DURATION = 'must be a duration like "500ms", "15s", "5m", "24h" or "90d"';
/** Milliseconds. */
export const duration = v.pipe(
  v.string(A_DURATION),
  v.regex(DURATION, A_DURATION),
  v.check((text) => parseDuration(text) !== null, "must be a shorter duration than this"),
  v.transform((text) => parseDuration(text)!),
);
export const positiveDuration = v.pipe(duration, v.minValue(1, "must be longer than 0"));

const A_SIZE = 'must be a number of bytes or a string like "256KiB", "5MiB" or "10GiB"';
/** Bytes. */
export const size = v.pipe(
  v.union(
    [v.pipe(v.number(), v.integer(A_SIZE), v.minValue(0, A_SIZE)), v.pipe(v.string(), v.regex(SIZE, A_SIZE))],
    A_SIZE,
  ),
  v.check((given) => parseSize(given) !== null, "must be a smaller size than this"),
  v.transform((given) => parseSize(given)!),
);
export const positiveSize = v.pipe(size, v.minValue(1, "must be more than 0"));

/** The members of a valibot schema that lead to the checks of its text. */
type Checked = { pipe?: Checked[]; options?: unknown; requirement?: unknown };

/** What the numbers are that a schema makes of texts: durations, or sizes; null: neither. */
export function unitOf(schema: object): "duration" | "size" | null {
  const { pipe = [], options, requirement } = schema as Checked;
  if (requirement === DURATION) return "duration";
  if (requirement === SIZE) return "size";
  for (const part of [...pipe, ...(Array.isArray(options) ? options : [])]) {
    const unit = typeof part !== "object" || part === null || part === schema ? null : unitOf(part);
    if (unit !== null) return unit;
  }
  return null;
}

export const count = v.pipe(v.number(), v.integer(), v.minValue(1));

export const secrets = v.union(
  [secret, v.pipe(v.array(secret), v.minLength(1, "must hold at least one secret"))],
  `${A_SECRET}, or a list of these`,
);

/** A check whose problem is in words; null: there is none. */
const judgedBy = (problemOf: (given: string) => string | null) =>
  v.check<string, (issue: v.CheckIssue<string>) => string>(
    (given) => problemOf(given) === null,
    ({ input }) => problemOf(input)!,
  );

function networkProblem(entry: string): string | null {
  try {
    parseNetworks([entry]);
    return null;
  } catch (error) {
    return errorLine(error);
  }
}
export const network = v.pipe(text, judgedBy(networkProblem));

const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

function privateProblem(entry: string): string | null {
  if (looksLikeNetwork(entry)) return networkProblem(entry);
  return HOST.test(entry) && isHostName(entry) ? null : `"${entry}" is neither a CIDR nor a host name`;
}
export const privateAddresses = v.union(
  [v.boolean(), v.array(v.pipe(text, judgedBy(privateProblem)))],
  "must be true, false, or a list of CIDRs and host names",
);

/** A pattern is an exact name, `*`, or a prefix with `.*`; with "!" before it takes out (rules/topics.ts matches them). */
function patternProblem(given: string): string | null {
  const pattern = nameOf(given);
  if (pattern === "" || takesOut(pattern)) return 'must be one "!" and what it takes out, like "!draft.update"';
  if (/[\s\p{Cc}]/u.test(pattern)) return "must be without spaces and control characters";
  if (pattern === "*") return null;
  if (pattern.replace(/\.\*$/, "").includes("*") || pattern === ".*") {
    return 'must be an event type, "*", or a prefix like "video.*"';
  }
  // The provider may send unknown types; the relay's own types are all known.
  if (!pattern.startsWith(NOTICE_PREFIX) || NOTICES.some((notice) => notice === pattern)) return null;
  if (pattern.endsWith(".*") && NOTICES.some((notice) => notice.startsWith(pattern.slice(0, -1)))) return null;
  return `the relay has no such notice${suggest(pattern, NOTICES)}`;
}
export const eventPattern = v.pipe(text, judgedBy(patternProblem));

/** One type of the provider's, no pattern. Each notice says something of its own: none takes another's place. */
export const eventType = v.pipe(
  text,
  judgedBy((given) => {
    if (/^!|\*/.test(given)) return "must be an event type, without ! and *";
    return given.startsWith(NOTICE_PREFIX) ? "must be an event type of Wochit's, no notice" : patternProblem(given);
  }),
);

const listed = v.optional(
  v.nullable(v.pipe(v.array(text), v.minLength(1, "must hold at least one value: an empty list would take nothing"))),
  null,
);
/** Which contexts and videos an endpoint gets events of (rules/topics.ts); null: all. */
export const endpointFilter = v.optional(
  v.pipe(
    v.nullable(v.strictObject({ context: listed, videoId: listed })),
    v.transform((given) => given ?? { context: null, videoId: null }),
  ),
  null,
);

function headerProblem(name: string): string | null {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) return "is not the name of an HTTP header"; // RFC 9110, 5.6.2
  return isReservedHeader(name) ? "is a header that the relay sets itself" : null;
}
/** What the value of a header may hold (RFC 9110, 5.5), wherever the value is. */
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
export const NO_HEADER_VALUE = "has a character that a header cannot hold";
export const headers = v.record(
  v.pipe(v.string(), judgedBy(headerProblem)),
  secretOr(v.pipe(v.string(), v.regex(HEADER_VALUE, NO_HEADER_VALUE))),
);

/** Without a name, and on one line. */
export const mailAddress = v.pipe(
  v.string(),
  v.regex(/^[^\s\p{Cc}@<>(),;:"\\[\]]+@[^\s\p{Cc}@<>(),;:"\\[\]]+$/u, 'must be a mail address like "ops@example.com"'),
);

const KEY_PART = /^[a-z0-9_.-]*$/;
/** How the keys of copies are made (mirror/upload/object-keys.ts). */
export const keyTemplate = v.pipe(
  v.string(),
  v.check((given) => given.includes("{videoId}") && given.includes("{kind}"), "must hold {videoId} and {kind}"),
  v.check(
    (given) =>
      given
        .replace(/\{(videoId|kind|ext)\}/g, "")
        .split("/")
        .every((part) => KEY_PART.test(part)) &&
      given.split("/").every((part) => part !== "" && !/^\.+$/.test(part) && !part.startsWith(".")),
    "may hold {videoId}, {kind}, {ext}, slashes between names, and the characters a-z 0-9 _ . -",
  ),
);
