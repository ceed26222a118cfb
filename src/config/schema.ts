import * as v from "valibot";
import { baseUrl, httpUrl, secret, text } from "../option-values.ts";
import type { SmtpServer } from "../platform/net/smtp.ts";
import type { TlsOptions } from "../platform/net/trust.ts";
import { type Target, targetTypes } from "../targets/table.ts";
import type { SecretMark } from "./hidden.ts";
import type { Database } from "./store/database.ts";
import {
  count,
  duration,
  endpointFilter,
  eventPattern,
  eventType,
  headers,
  keyTemplate,
  mailAddress,
  network,
  positiveDuration,
  positiveSize,
  privateAddresses,
  secrets,
  size,
} from "./values.ts";
import type { SigningKey } from "./webhook-secret.ts";

/**
 * Every option of the relay, on one page; `values.ts` has the kinds of values. The JSON Schema (`wochit-relay schema`)
 * is made from this file.
 */

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

/** Paths of PEM files. */
const listenerTls = v.optional(v.nullable(v.strictObject({ cert: text, key: text })), null);

const server = v.strictObject({
  listen: v.optional(listen, "0.0.0.0:8080"),
  publicUrl: v.optional(v.nullable(baseUrl), null),
  tls: listenerTls,
  trustedProxies: v.optional(v.array(network), []),
});

/** The provider's published senders (PROVIDER, "The sender is known by its address"). */
export const PROVIDER_ADDRESSES = ["54.81.68.237", "54.147.58.230", "52.1.193.159", "18.204.107.61", "100.25.120.71"];

const receive = v.strictObject({
  path: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+$/, "must be a path like /webhooks/wochit"),
      v.regex(/^\/(?!(healthz|readyz|media)(\/|$))/, "is taken: /healthz, /readyz and /media are the relay's own"),
    ),
    "/webhooks/wochit",
  ),
  allowFrom: v.optional(
    v.union(
      [
        v.literal("any"),
        v.pipe(v.array(network), v.minLength(1, 'must hold at least one address; "any" lets everybody in')),
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

/** The name of the token that has none of its own: `admin.token`, or the one of the file. */
export const ADMIN = "admin";

/** What the heartbeat of alerts is called, among the names of receivers. */
export const HEARTBEAT = "heartbeat";

/** Each type of target has options of its own: `targets/<type>/options.ts`. */
const target = v.variant(
  "type",
  Object.values(targetTypes).map(({ options }) => options),
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

const ownName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be 1 to 64 of a-z 0-9 _ -, beginning with one of a-z 0-9"),
);

const endpoint = v.strictObject({
  id: ownName,
  url: httpUrl,
  secret: secrets,
  events: v.optional(v.pipe(v.array(eventPattern), v.minLength(1, "must name at least one event")), ["*"]),
  filter: endpointFilter,
  coalesce: v.optional(v.array(eventType), []),
  body: v.optional(v.picklist(["enriched", "verbatim"]), "enriched"),
  send: v.optional(v.picklist(["after-mirror", "immediately"])),
  maxWait: v.optional(duration, "1h"),
  order: v.optional(v.picklist(["video", "none"]), "video"),
  laneHold: v.optional(duration, "6h"),
  tls: v.optional(v.nullable(endpointTls), null),
  headers: v.optional(headers, {}),
  timeout: v.optional(positiveDuration, "15s"),
  concurrency: v.optional(count, 8),
  ratePerSecond: v.optional(v.nullable(v.pipe(v.number(), v.gtValue(0, "must be more than 0"))), null),
  paused: v.optional(v.boolean(), false),
  retry: v.optional(v.array(duration), RETRY),
  allowPrivateAddresses: v.optional(privateAddresses, true),
});

/** One of several tokens: the audit has its name; "read" may only GET. */
const namedToken = v.strictObject({
  name: v.pipe(
    ownName,
    v.check((name) => name !== ADMIN, `is taken: "${ADMIN}" is what admin.token is called`),
  ),
  token: secret,
  can: v.optional(v.picklist(["read", "operate"]), "read"),
});
const admin = v.strictObject({
  listen: v.optional(listen, "127.0.0.1:8081"),
  token: v.optional(v.nullable(secret), null),
  tokens: v.optional(v.array(namedToken), []),
  tls: listenerTls,
  publicUrl: v.optional(v.nullable(baseUrl), null),
});
const store = v.strictObject({ url: secret, ca: v.optional(v.nullable(text), null) });
const retention = v.strictObject({
  bodies: v.optional(duration, "90d"),
  attempts: v.optional(duration, "30d"),
  archive: v.optional(
    v.nullable(
      v.union([v.literal("target"), v.strictObject({ dir: text })], 'must be "target", {"dir": "…"}, or null'),
    ),
    null,
  ),
});
const backup = v.strictObject({
  every: v.optional(positiveDuration, "6h"),
  keep: v.optional(count, 28),
  to: v.optional(v.picklist(["dir", "target"]), "dir"),
  dir: v.optional(text),
});
const ofReceiver = {
  name: v.optional(
    v.nullable(
      v.pipe(
        ownName,
        v.check((name) => name !== HEARTBEAT, `is taken: "${HEARTBEAT}" is what alerts.heartbeat is called`),
      ),
    ),
    null,
  ),
  atLeast: v.optional(v.picklist(["page", "ticket"]), "ticket"),
};
const receiver = v.union(
  [
    v.strictObject({ url: secret, format: v.picklist(["slack", "text", "json"]), ...ofReceiver }),
    v.strictObject({ mail: mailAddress, from: mailAddress, smtp: secret, ...ofReceiver }),
  ],
  'must be { "url", "format": "slack", "text" or "json" } or { "mail", "from", "smtp" }, each with "name", and "atLeast": "page" or "ticket"',
);
const alerts = v.strictObject({
  to: v.optional(v.array(receiver), []),
  heartbeat: v.optional(v.nullable(v.strictObject({ url: secret, every: v.optional(positiveDuration, "1m") })), null),
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
  admin: v.optional(v.nullable(admin), {}),
  store: v.optional(v.nullable(store), null),
  retention: v.optional(retention, {}),
  backup: v.optional(v.nullable(backup), null),
  alerts: v.optional(v.nullable(alerts), null),
  log: v.optional(log, {}),
});

/** What a config file may say. */
export type ConfigInput = v.InferInput<typeof configSchema>;
type Parsed = v.InferOutput<typeof configSchema>;
type ParsedEndpoint = Parsed["endpoints"][number];

/** An endpoint with its secrets and certificates read and its defaults decided. */
export type Endpoint = Omit<ParsedEndpoint, "secret" | "send" | "tls" | "headers"> & {
  /** All of them sign, the first first. */
  keys: SigningKey[];
  /** The same without their values. */
  secrets: SecretMark[];
  send: "after-mirror" | "immediately";
  /** The values that could be read. */
  headers: Record<string, string>;
  /** The names of all headers, also of those whose values were not read. */
  headerNames: string[];
  /** The files' content: changed content is a changed config. */
  tls: TlsOptions | null;
};

type ParsedAdmin = NonNullable<Parsed["admin"]>;
type NamedToken = Omit<ParsedAdmin["tokens"][number], "token"> & { token: string };
export type AdminConfig = Omit<ParsedAdmin, "token" | "tokens"> & { token: string | null; tokens: NamedToken[] };

type ParsedAlerts = NonNullable<Parsed["alerts"]>;
type ParsedReceiver = ParsedAlerts["to"][number];
/** `id`: its format, and the first digits of the SHA-256 of its URL, or of its mail address; `place`: its host, or that address. */
type Placed = { id: string; place: string };
/** A webhook. Its URL is a secret. */
export type WebhookReceiver = Omit<Exclude<ParsedReceiver, { mail: string }>, "url"> & Placed & { url: string };
export type MailReceiver = Omit<Extract<ParsedReceiver, { mail: string }>, "smtp"> &
  Placed & { format: "mail"; smtp: SmtpServer };
/** Where alerts go. */
export type AlertReceiver = WebhookReceiver | MailReceiver;
export type AlertsConfig = {
  to: AlertReceiver[];
  heartbeat: { url: string; every: number } | null;
};

/** The whole configuration as the program uses it: secrets read, paths absolute, durations in ms, sizes in bytes. */
export type Config = Omit<
  Parsed,
  "$schema" | "dataDir" | "receive" | "endpoints" | "mirror" | "server" | "admin" | "store" | "alerts"
> & {
  /** The absolute path of the file that it was read from; null: the defaults. */
  file: string | null;
  dataDir: string;
  /**
   * `tls` holds paths: the listener reads the files when it opens. `publicUrl` is null where it follows from the port.
   */
  server: Parsed["server"];
  receive: Omit<Parsed["receive"], "token"> & { tokens: string[] };
  mirror: Omit<Parsed["mirror"], "target" | "formerTargets"> & {
    target: Target;
    /** How to reach former targets that still hold copies. */
    formerTargets: Target[];
  };
  endpoints: Endpoint[];
  /** Null: there is no admin listener. `token` null: one is made in the data folder. `tls` holds paths. */
  admin: AdminConfig | null;
  /** Null: SQLite in the data folder. */
  store: Database | null;
  /** Null: there are none. */
  alerts: AlertsConfig | null;
  /** Options that are accepted but have no effect, one line each. */
  warnings: string[];
};
