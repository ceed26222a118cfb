import { errorLine, RelayError } from "../../errors.ts";
import type { S3Target } from "./options.ts";

/** A store's refusal, or why there was no answer, in one line that says what to do. */
export class S3Error extends RelayError {
  /** The store's error code ("NoSuchKey"), or the system's ("ECONNREFUSED"). */
  readonly what: string;
  /** The HTTP status; null: there was no answer. */
  readonly status: number | null;
  /**
   * A retry may help soon: a broken connection, or a store that is overloaded. False for a store that does not answer.
   */
  readonly passing: boolean;
  constructor(line: string, { what, status, passing }: { what: string; status: number | null; passing: boolean }) {
    super("target_unavailable", line);
    this.name = "S3Error";
    this.what = what;
    this.status = status;
    this.passing = passing;
  }
}

/** For `catch`: null where the object is missing; the error where its bucket is, and any other. */
export function nullWhereMissing(error: unknown): null {
  if (error instanceof S3Error && error.status === 404 && error.what !== "NoSuchBucket") return null;
  throw error;
}

/** The members that are read of what the official client throws. */
type Thrown = {
  name?: string;
  message?: string;
  code?: string;
  Region?: string;
  $metadata?: { httpStatusCode?: number };
  $response?: { statusCode?: number; headers?: Record<string, string> };
  cause?: unknown;
};

/** The permissions that each request needs (AWS, "Actions for Amazon S3"). */
const NEEDS: Record<string, string> = {
  PutObject: "s3:PutObject",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
  AbortMultipartUpload: "s3:AbortMultipartUpload",
  ListMultipartUploads: "s3:ListBucketMultipartUploads",
  ListObjectsV2: "s3:ListBucket",
  HeadObject: "s3:GetObject and s3:ListBucket",
  GetObject: "s3:GetObject and s3:ListBucket",
  DeleteObject: "s3:DeleteObject",
};

/** Texts for the stores' error codes; `own`: the keys are in the config. */
const SAID: Record<string, (given: { own: boolean; config: S3Target; region: string }) => string> = {
  SignatureDoesNotMatch: ({ own }) =>
    `the secret access key is wrong: check ${own ? "mirror.target.secretAccessKey" : "the credentials of this machine"}`,
  InvalidAccessKeyId: ({ own }) =>
    `the store does not know the access key: check ${own ? "mirror.target.accessKeyId" : "the credentials of this machine"}, and mirror.target.endpoint`,
  NoSuchBucket: () => "there is no such bucket: make it, or check mirror.target.bucket and endpoint",
  PermanentRedirect: ({ region }) => `the bucket is in another region${region}: set mirror.target.region`,
  AuthorizationHeaderMalformed: ({ region }) => `the store expects another region${region}: set mirror.target.region`,
  RequestTimeTooSkewed: () => "this machine's clock and the store's differ too much: set the clock",
  ExpiredToken: () => "the credentials have expired: renew them",
  InvalidToken: () => "the store does not take the session token: check mirror.target.sessionToken",
  QuotaExceeded: () => "the store's quota is used up: make room, or raise it",
  InsufficientStorage: () => "the store is full: make room",
  InvalidStorageClass: () => "the store does not know this storage class: check mirror.target.storageClass",
};

const ALIASES: Record<string, string> = {
  XAmzContentSHA256Mismatch: "BadDigest",
  InvalidRegion: "AuthorizationHeaderMalformed",
  IllegalLocationConstraintException: "PermanentRedirect",
  TokenRefreshRequired: "ExpiredToken",
  MovedPermanently: "PermanentRedirect",
  Redirect: "PermanentRedirect",
  TemporaryRedirect: "PermanentRedirect",
};

/** Texts for Node's error codes of the network and of TLS; `host` is the host that was connected to. */
const NETWORK: Record<string, (host: string) => string> = {
  ECONNREFUSED: (host) => `nothing listens at ${host}: start the store, or check mirror.target.endpoint`,
  ECONNRESET: (host) => `${host} broke the connection`,
  EPIPE: (host) => `${host} broke the connection`,
  ENOTFOUND: (host) => `the name of ${host} is not known: check mirror.target.endpoint and the name server`,
  EAI_AGAIN: (host) => `the name of ${host} cannot be looked up: check the name server`,
  EHOSTUNREACH: (host) => `there is no way to ${host}: check the network`,
  ENETUNREACH: (host) => `there is no way to ${host}: check the network`,
  EPROTO: (host) => `${host} does not speak TLS as it should: is it an http:// endpoint?`,
  ERR_SSL_WRONG_VERSION_NUMBER: (host) => `${host} does not speak TLS: is it an http:// endpoint?`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) =>
    `the certificate of ${host} is for another name: check mirror.target.endpoint`,
  CERT_HAS_EXPIRED: (host) => `the certificate of ${host} has expired`,
};
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED|UnknownIssuer|CaUsedAsEndEntity/;

/**
 * Describes what the official client threw in one line: what is wrong, which bucket, what to do. Never contains a
 * secret or a query, and none of the client's own words that could hold one. `command` is the request's name, like
 * "PutObject".
 */
export function explain(thrown: unknown, command: string, config: S3Target): S3Error {
  if (thrown instanceof S3Error) return thrown;
  const error = (thrown ?? {}) as Thrown;
  const status = error.$metadata?.httpStatusCode ?? error.$response?.statusCode ?? null;
  const said = error.name ?? "Error";
  const code = networkCode(error);
  const host = config.endpoint === null ? `Amazon S3 (bucket ${config.bucket})` : new URL(config.endpoint).host;
  const line = (text: string, what: string, passing = false) =>
    new S3Error(`s3 bucket ${config.bucket}: ${text}`, { what, status, passing });

  if (status === null) {
    if (UNTRUSTED.test(`${code} ${error.message}`)) {
      const fix = "name the file of its authority in mirror.target.ca";
      return line(`the certificate of ${host} is not trusted: ${fix} (${code || "TLS"})`, code || "TLS");
    }
    const network = NETWORK[code];
    if (network) return line(`${network(host)} (${code})`, code, code.startsWith("ECONN") || code === "EPIPE");
    if (said === "TimeoutError" || code === "ETIMEDOUT") {
      const wait = /connection/.test(error.message ?? "") ? "takes no connection" : "does not answer";
      return line(`${host} ${wait} in time: it may be down, full or overloaded (timeout)`, "TimeoutError");
    }
    if (/Credentials|TokenProvider/.test(said) || /credential/i.test(error.message ?? "")) {
      const fix = "set mirror.target.accessKeyId and secretAccessKey, or the environment, a shared file or a role";
      return line(`no credentials were found: ${fix}`, "CredentialsProviderError");
    }
    if (/region is missing|region.*configured/i.test(error.message ?? "")) {
      return line("no region is known: set mirror.target.region or AWS_REGION", "RegionMissing");
    }
    return line(withoutSecrets(errorLine(thrown), config), code || said);
  }
  const what = ALIASES[said] ?? said;
  const region = error.Region ?? error.$response?.headers?.["x-amz-bucket-region"];
  const known = SAID[what] ?? (status === 301 || status === 307 ? SAID.PermanentRedirect : undefined);
  if (known) {
    const text = known({ own: config.credentials !== null, config, region: region ? ` (${region})` : "" });
    return line(`${text} (${what})`, what);
  }
  if (status === 403) return line(`not permitted: the key needs ${NEEDS[command] ?? command} (${what})`, what);
  if (status >= 500 || status === 429 || status === 408) {
    return line(`the store is in trouble: it answers ${status} (${what}) to ${command}`, what, status !== 501);
  }
  if (/deserialization|SyntaxError|not valid XML/i.test(`${said} ${error.message}`)) {
    return line(`what answers at ${host} is no S3 (status ${status}): check mirror.target.endpoint`, "NotS3");
  }
  return line(`${withoutSecrets(errorLine(thrown), config)} (${what}, status ${status}, ${command})`, what);
}

/** The system's code, of the error or of its cause. Deno has no codes for TLS, only texts. */
function networkCode(error: Thrown): string {
  if (typeof error.code === "string") return error.code;
  const cause = error.cause as Thrown | undefined;
  if (typeof cause?.code === "string") return cause.code;
  const inner = (error as { errors?: Thrown[] }).errors?.[0]?.code;
  return inner ?? /invalid peer certificate: (\w+)/.exec(error.message ?? "")?.[1] ?? "";
}

function withoutSecrets(text: string, { credentials }: S3Target): string {
  const plain = text.replace(/\?\S*/g, "?…");
  const secrets = [credentials?.secretAccessKey, credentials?.sessionToken].filter((secret) => secret != null);
  return secrets.reduce((line, secret) => line.replaceAll(secret, "…"), plain);
}
