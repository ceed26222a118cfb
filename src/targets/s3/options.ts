import { resolve } from "node:path";
import * as v from "valibot";
import { RelayError } from "../../errors.ts";
import { baseUrl, secret, text } from "../../option-values.ts";
import { isPublicHost } from "../../platform/net/public-host.ts";
import type { CheckedOptions, ResolveContext } from "../type.ts";

/** The value of a request header. */
const headerText = v.pipe(text, v.regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, "must be printable ASCII"));

const storeUrl = v.pipe(
  baseUrl,
  v.check((given) => !URL.canParse(given) || new URL(given).username === "", "must be without a user name"),
);

const PREFIX_PART = /^(?!\.{1,2}$)[\w.~=-]+$/;
const prefix = v.pipe(
  v.string(),
  v.transform((given) => given.replace(/^\/+|\/+$/g, "")),
  v.check(
    (given) => given === "" || (given.length <= 512 && given.split("/").every((part) => PREFIX_PART.test(part))),
    "must be a path like relay/one: names of A-Z a-z 0-9 _ . ~ = - with one slash between them",
  ),
);

/**
 * Amazon's first rules, which other stores follow. Ceph accepts a tenant's name before the bucket, Amazon an access
 * point's ARN.
 */
const BUCKET =
  /^(?:(?:[\w.-]{0,255}:)?(?!\.+$)[\w.-]{3,255}|arn:[\w-]+:[\w-]+:[\w-]*:\d*(?:[:/](?!\.+(?:[:/]|$))[\w.-]+)+)$/;
const A_BUCKET = 'must be the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -, or such a name after "tenant:"';

export const s3Options = v.strictObject({
  type: v.literal("s3"),
  bucket: v.pipe(text, v.regex(BUCKET, A_BUCKET)),
  /** Null: the region that the environment or the shared files name. */
  region: v.optional(v.nullable(headerText), null),
  /** Null: Amazon's. */
  endpoint: v.optional(v.nullable(storeUrl), null),
  /** Keys go below it; without a slash at either end. */
  prefix: v.optional(prefix, ""),
  pathStyle: v.optional(v.nullable(v.boolean()), null),
  accessKeyId: v.optional(v.nullable(secret), null),
  secretAccessKey: v.optional(v.nullable(secret), null),
  sessionToken: v.optional(v.nullable(secret), null),
  /** A PEM file with certificate authorities to trust as well. */
  ca: v.optional(v.nullable(text), null),
  storageClass: v.optional(v.nullable(headerText), null),
  serverSideEncryption: v.optional(v.nullable(headerText), null),
  kmsKeyId: v.optional(v.nullable(headerText), null),
  cacheControl: v.optional(v.nullable(headerText), null),
});

export const s3Words: { [Name in keyof v.InferInput<typeof s3Options>]-?: string } = {
  type: "A bucket of an S3-compatible store",
  bucket: "Its name",
  region: "Its region; null: as the environment or the shared files say",
  endpoint: "The URL of the store; null: Amazon's",
  prefix: "What keys begin with; give each relay a prefix of its own",
  pathStyle: "The bucket in the path instead of the host name; null: where endpoint is set",
  accessKeyId: "A secret; null: the official client looks where it always does",
  secretAccessKey: "A secret, with accessKeyId",
  sessionToken: "A secret, with accessKeyId; null: there is none",
  ca: "A PEM file of authorities, trusted on top of the known ones",
  storageClass: "As S3 has it; null: the bucket's",
  serverSideEncryption: "As S3 has it; null: the bucket's",
  kmsKeyId: 'The key, with "serverSideEncryption": "aws:kms"',
  cacheControl: "The Cache-Control header of copies; null: none",
};

type S3Options = v.InferOutput<typeof s3Options>;

/** What is remembered of a bucket: how to find it. */
export type S3Place = Pick<S3Options, "type" | "bucket" | "region" | "endpoint" | "prefix"> & { pathStyle: boolean };

/** A bucket, with its secrets read and its defaults decided. `ca` is an absolute path. */
export type S3Target = S3Place &
  Pick<S3Options, "ca" | "storageClass" | "serverSideEncryption" | "kmsKeyId" | "cacheControl"> & {
    /** Null: the official client's chain (environment, shared files, web identity, container, instance role). */
    credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string | null } | null;
  };

/** Keys are sent in headers. A line break or a space is a mistake of copying. */
function checkKey(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text;
  throw new RelayError("config", "must be printable ASCII without spaces");
}

export const s3Secrets = { accessKeyId: checkKey, secretAccessKey: checkKey, sessionToken: checkKey };

export function checkS3({ get, isSet, isWrong, add, file }: CheckedOptions): void {
  if (isSet("accessKeyId") !== isSet("secretAccessKey")) {
    const [there, missing] = isSet("accessKeyId")
      ? ["accessKeyId", "secretAccessKey"]
      : ["secretAccessKey", "accessKeyId"];
    add(missing, `is missing: ${there} is of no use without it; without both, the machine's own are used`);
  }
  if (isSet("sessionToken") && !isSet("accessKeyId")) {
    add("sessionToken", "is of no use without accessKeyId and secretAccessKey");
  }
  const encryption = get<string>("serverSideEncryption");
  if (isSet("kmsKeyId") && !encryption?.startsWith("aws:kms") && !isWrong("serverSideEncryption")) {
    add("kmsKeyId", 'is of no use without "serverSideEncryption": "aws:kms"');
  }
  const ca = file("ca");
  if (ca !== null && !/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(ca.text)) {
    add("ca", `${ca.path} holds no certificate in PEM form`);
  }
}

/** Amazon's rules for the names of new buckets, and of those outside of its oldest region. */
const AMAZON_BUCKET = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$|^arn:/;

export function warnS3({ bucket, ca, endpoint }: S3Options, path: string): string[] {
  const warnings: string[] = [];
  const isPlain = endpoint?.startsWith("http:") ?? false;
  if (ca !== null && isPlain) warnings.push(`${path}.ca: has no effect: ${path}.endpoint begins with http://`);
  if (isPlain && isPublicHost(new URL(endpoint!).hostname)) {
    warnings.push(`${path}.endpoint: http:// to a public host: copies can be read on the way: use https://`);
  }
  if (endpoint === null && !AMAZON_BUCKET.test(bucket)) {
    warnings.push(`${path}.bucket: Amazon has hardly a bucket of this name: new ones are 3 to 63 of a-z 0-9 . -`);
  }
  return warnings;
}

export function resolveS3(options: S3Options, { folder, secrets }: ResolveContext): S3Target {
  const { accessKeyId: _id, secretAccessKey: _key, sessionToken: _token, pathStyle, ca, ...rest } = options;
  const { accessKeyId, secretAccessKey, sessionToken = null } = secrets;
  return {
    ...rest,
    // Amazon expects the bucket in the host name; most other stores have no such host names.
    pathStyle: pathStyle ?? rest.endpoint !== null,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : null,
    ca: ca === null ? null : resolve(folder, ca),
  };
}
