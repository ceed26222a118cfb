import * as v from "valibot";
import { A_SECRET, secret, text } from "../option-values.ts";
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

export const count = v.pipe(v.number(), v.integer(), v.minValue(1));

export const secrets = v.union(
  [secret, v.pipe(v.array(secret), v.minLength(1, "must hold at least one secret"))],
  `${A_SECRET}, or a list of these`,
);

export const privateAddresses = v.union(
  [v.boolean(), v.array(text)],
  "must be true, false, or a list of CIDRs and host names",
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
