import * as v from "valibot";

/** Kinds of values that options have, for the page of options (`config/schema.ts`) and for the options of each target. */

export const text = v.pipe(v.string(), v.nonEmpty("must not be empty"));

export const A_SECRET = 'must be a string, {"env": "NAME"}, {"file": "PATH"} or {"credential": "NAME"}';

const references = [
  v.strictObject({ env: text }),
  v.strictObject({ file: text }),
  v.strictObject({ credential: text }),
] as const;
export const secret = v.union([text, ...references], A_SECRET);
/** The same, where a text of another kind stands in the file itself. */
export const secretOr = <Text extends v.GenericSchema<string, string>>(own: Text) =>
  v.union([own, ...references], A_SECRET);
/** A secret as the file names it; `config/secrets.ts` reads its value. */
export type SecretInput = v.InferOutput<typeof secret>;

export const httpUrl = v.pipe(
  v.string(),
  v.check(
    (given) => URL.canParse(given) && /^https?:$/.test(new URL(given).protocol),
    "must be an http:// or https:// URL",
  ),
);

/** Paths are appended to it, so it has no query and no fragment. */
export const baseUrl = v.pipe(
  httpUrl,
  v.check((given) => !/[?#]/.test(given), "must be without a query and a fragment"),
  v.transform((given) => given.replace(/\/+$/, "")),
);
