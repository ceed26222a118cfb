import * as v from "valibot";
import type { TargetPlace } from "../model/medium.ts";
import type { TlsOptions } from "../platform/net/trust.ts";
import { DURATION, parseDuration, parseSize, SIZE } from "./units.ts";

/** Every option of the relay, on one page. The JSON Schema (`wochit-relay schema`) is made from this file. */

const A_DURATION = 'must be a duration like "500ms", "15s", "5m", "24h" or "90d"';
const duration = v.pipe(
  v.string(A_DURATION),
  v.regex(DURATION, A_DURATION),
  v.check((text) => parseDuration(text) !== null, "must be a shorter duration than this"),
  v.transform((text) => parseDuration(text)!),
);
const positiveDuration = v.pipe(duration, v.minValue(1, "must be longer than 0"));

const A_SIZE = 'must be a number of bytes or a string like "256KiB", "5MiB" or "10GiB"';
const size = v.pipe(
  v.union(
    [v.pipe(v.number(), v.integer(A_SIZE), v.minValue(0, A_SIZE)), v.pipe(v.string(), v.regex(SIZE, A_SIZE))],
    A_SIZE,
  ),
  v.check((given) => parseSize(given) !== null, "must be a smaller size than this"),
  v.transform((given) => parseSize(given)!),
);
const positiveSize = v.pipe(size, v.minValue(1, "must be more than 0"));

const A_SECRET = 'must be a string, {"env": "NAME"}, {"file": "PATH"} or {"credential": "NAME"}';
export const text = v.pipe(v.string(), v.nonEmpty("must not be empty"));
const secret = v.union(
  [text, v.strictObject({ env: text }), v.strictObject({ file: text }), v.strictObject({ credential: text })],
  A_SECRET,
);
const secrets = v.union(
  [secret, v.pipe(v.array(secret), v.minLength(1, "must hold at least one secret"))],
  `${A_SECRET}, or a list of these`,
);
/** A secret as the file says it; config-file.ts reads the value. */
export type SecretInput = v.InferOutput<typeof secret>;

export const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const privateAddresses = v.union(
  [v.boolean(), v.array(text)],
  "must be true, false, or a list of CIDRs and host names",
);
const httpUrl = v.pipe(
  v.string(),
  v.check(
    (given) => URL.canParse(given) && /^https?:$/.test(new URL(given).protocol),
    "must be an http:// or https:// URL",
  ),
);
/** What paths are appended to, so it has none of what comes after a path. */
const baseUrl = v.pipe(
  httpUrl,
  v.check((given) => !/[?#]/.test(given), "must be without a query and a fragment"),
  v.transform((given) => given.replace(/\/+$/, "")),
);

const LISTEN = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/;

/** Host and port of "host:port" or "[::]:8080"; null for anything else. */
export function parseListen(given: string): { host: string; port: number } | null {
  const [, v6, host, port] = LISTEN.exec(given) ?? [];
  return port === undefined || Number(port) > 65535 ? null : { host: (v6 ?? host)!, port: Number(port) };
}

const listen = v.pipe(
  v.string(),
  v.check((given) => parseListen(given) !== null, 'must be "host:port", like "0.0.0.0:8080" or "[::]:8080"'),
);

const server = v.strictObject({
  listen: v.optional(listen, "0.0.0.0:8080"),
  publicUrl: v.optional(v.nullable(baseUrl), null),
  tls: v.optional(v.nullable(v.strictObject({ cert: text, key: text })), null),
  trustedProxies: v.optional(v.array(text), []),
});

/** The provider's published senders (PROVIDER, "The sender is known by its address"). */
export const PROVIDER_ADDRESSES = ["54.81.68.237", "54.147.58.230", "52.1.193.159", "18.204.107.61", "100.25.120.71"];

const receive = v.strictObject({
  path: v.optional(
    v.pipe(v.string(), v.regex(/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/, "must be a path like /webhooks/wochit")),
    "/webhooks/wochit",
  ),
  allowFrom: v.optional(
    v.union(
      [
        v.literal("any"),
        v.pipe(v.array(text), v.minLength(1, 'must hold at least one address; "any" lets everybody in')),
      ],
      'must be a list of addresses and CIDRs, or "any"',
    ),
    PROVIDER_ADDRESSES,
  ),
  mode: v.optional(v.picklist(["enforce", "observe"]), "enforce"),
  token: v.optional(v.nullable(secrets), null),
  maxBody: v.optional(positiveSize, "1MiB"),
  dedupeWindow: v.optional(duration, "10m"),
  keepRefused: v.optional(size, "64MiB"),
});

const localTarget = v.strictObject({ type: v.literal("local"), dir: v.optional(text) });
/** What goes into a header of a request. */
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
/** Amazon's first rules, which other stores keep to; Ceph takes the name of a tenant before it, Amazon an access point's ARN. */
const BUCKET =
  /^(?:(?:[\w.-]{0,255}:)?(?!\.+$)[\w.-]{3,255}|arn:[\w-]+:[\w-]+:[\w-]*:\d*(?:[:/](?!\.+(?:[:/]|$))[\w.-]+)+)$/;
const A_BUCKET = 'must be the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -, or such a name after "tenant:"';
const s3Target = v.strictObject({
  type: v.literal("s3"),
  bucket: v.pipe(text, v.regex(BUCKET, A_BUCKET)),
  region: v.optional(v.nullable(headerText), null),
  endpoint: v.optional(v.nullable(storeUrl), null),
  prefix: v.optional(prefix, ""),
  pathStyle: v.optional(v.nullable(v.boolean()), null),
  accessKeyId: v.optional(v.nullable(secret), null),
  secretAccessKey: v.optional(v.nullable(secret), null),
  sessionToken: v.optional(v.nullable(secret), null),
  ca: v.optional(v.nullable(text), null),
  storageClass: v.optional(v.nullable(headerText), null),
  serverSideEncryption: v.optional(v.nullable(headerText), null),
  kmsKeyId: v.optional(v.nullable(headerText), null),
  cacheControl: v.optional(v.nullable(headerText), null),
});
const target = v.variant("type", [localTarget, s3Target]);

const KEY_PART = /^[a-z0-9_.-]*$/;
const keyTemplate = v.pipe(
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

const mirror = v.strictObject({
  enabled: v.optional(v.boolean(), true),
  target: v.optional(target, { type: "local" }),
  formerTargets: v.optional(v.array(target), []),
  publicBaseUrl: v.optional(v.nullable(baseUrl), null),
  links: v.optional(v.picklist(["signed", "open"]), "signed"),
  key: v.optional(keyTemplate, "{videoId}/{kind}{ext}"),
  linkLifetime: v.optional(duration, "24h"),
  maxSize: v.optional(positiveSize, "20GiB"),
  concurrency: v.optional(count, 4),
  minFreeDisk: v.optional(size, "1GiB"),
  allowPrivateAddresses: v.optional(privateAddresses, false),
  onDelete: v.optional(v.picklist(["keep", "delete"]), "keep"),
  deleteAfter: v.optional(duration, "7d"),
});

const RETRY = ["5s", "30s", "2m", "10m", "30m", "1h", "2h", "4h", "8h", "12h", "24h", "24h"];

/** Paths of PEM files. */
const endpointTls = v.strictObject({
  ca: v.optional(v.nullable(text), null),
  cert: v.optional(v.nullable(text), null),
  key: v.optional(v.nullable(text), null),
});

const endpoint = v.strictObject({
  id: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be 1 to 64 of a-z 0-9 _ -, beginning with one of a-z 0-9"),
  ),
  url: httpUrl,
  secret: secrets,
  events: v.optional(v.pipe(v.array(text), v.minLength(1, "must name at least one event")), ["*"]),
  body: v.optional(v.picklist(["enriched", "verbatim"]), "enriched"),
  send: v.optional(v.picklist(["after-mirror", "immediately"])),
  maxWait: v.optional(duration, "1h"),
  order: v.optional(v.picklist(["video", "none"]), "video"),
  laneHold: v.optional(duration, "6h"),
  tls: v.optional(v.nullable(endpointTls), null),
  headers: v.optional(v.record(v.string(), v.string()), {}),
  timeout: v.optional(positiveDuration, "15s"),
  concurrency: v.optional(count, 8),
  ratePerSecond: v.optional(v.nullable(v.pipe(v.number(), v.gtValue(0, "must be more than 0"))), null),
  retry: v.optional(v.array(duration), RETRY),
  allowPrivateAddresses: v.optional(privateAddresses, true),
});

const admin = v.strictObject({
  listen: v.optional(listen, "127.0.0.1:8081"),
  token: v.optional(v.nullable(secret), null),
});
const retention = v.strictObject({ bodies: v.optional(duration, "90d"), attempts: v.optional(duration, "30d") });
const backup = v.strictObject({
  every: v.optional(positiveDuration, "6h"),
  keep: v.optional(count, 28),
  to: v.optional(v.picklist(["dir", "target"]), "dir"),
  dir: v.optional(text),
});
const log = v.strictObject({
  level: v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
  format: v.optional(v.picklist(["auto", "json", "pretty"]), "auto"),
});

/** The config file. A part that is left out takes its defaults. */
export const configSchema = v.strictObject({
  $schema: v.optional(v.string()),
  dataDir: v.optional(text),
  server: v.optional(server, {}),
  receive: v.optional(receive, {}),
  mirror: v.optional(mirror, {}),
  endpoints: v.optional(v.array(endpoint), []),
  admin: v.optional(admin, {}),
  retention: v.optional(retention, {}),
  backup: v.optional(v.nullable(backup), null),
  log: v.optional(log, {}),
});

/** What a config file may say. */
export type ConfigInput = v.InferInput<typeof configSchema>;
type Parsed = v.InferOutput<typeof configSchema>;
type ParsedEndpoint = Parsed["endpoints"][number];

/** An endpoint with its secrets and certificates read and its defaults decided. */
export type Endpoint = Omit<ParsedEndpoint, "secret" | "send" | "tls"> & {
  /** Standard Webhooks keys, decoded; the first signs first. */
  keys: Uint8Array[];
  send: "after-mirror" | "immediately";
  /** What the files hold, so that other bytes in them are a change. */
  tls: TlsOptions | null;
};

/** A folder of this machine, absolute. */
export type LocalTarget = Extract<TargetPlace, { type: "local" }>;

/** A bucket, with its secrets read and its defaults decided. */
export type S3Target = Extract<TargetPlace, { type: "s3" }> & {
  /** Null: the official client's chain (environment, shared files, web identity, container, instance role). */
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string | null } | null;
  /** Path of a PEM file with certificate authorities to trust as well. */
  ca: string | null;
  storageClass: string | null;
  serverSideEncryption: string | null;
  kmsKeyId: string | null;
  cacheControl: string | null;
};

/** The whole configuration as the program uses it: secrets read, paths absolute, durations in ms, sizes in bytes. */
export type Config = Omit<Parsed, "$schema" | "dataDir" | "receive" | "endpoints" | "mirror" | "server" | "admin"> & {
  dataDir: string;
  /** `tls` are the files' paths: they are read when the listener opens. `publicUrl` is null where it follows from the port. */
  server: Parsed["server"];
  receive: Omit<Parsed["receive"], "token"> & { tokens: string[] };
  mirror: Omit<Parsed["mirror"], "target" | "formerTargets"> & {
    target: LocalTarget | S3Target;
    /** How to reach the targets of before that hold copies still. */
    formerTargets: (LocalTarget | S3Target)[];
  };
  endpoints: Endpoint[];
  admin: Omit<Parsed["admin"], "token"> & { token: string | null };
  /** Options that are accepted but have no effect, one line each. */
  warnings: string[];
};
