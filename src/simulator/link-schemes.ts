import { Buffer } from "node:buffer";
import type { Random } from "../ports.ts";

/** Whose presigned links a link looks like; "plain" has no query at all and does not tell when it dies. */
export type LinkScheme = keyof typeof SCHEMES | "plain";

/** How one sort of presigned link is spelled. */
export type SchemeShape = {
  /** The parameter that carries the signature. */
  signature: string;
  spell(signature: Buffer): string;
  /** All other parameters, in their order. `now` in milliseconds, `lifetime` in seconds. */
  parameters(given: { now: number; lifetime: number; random: Random }): Record<string, string>;
  /** When a link with these parameters dies, in milliseconds. */
  expiry(query: URLSearchParams): number;
};

/** 20260131T235959Z */
function compactTime(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
}

/** Where a start in that form and a number of seconds lead. */
function endOf(start: string | null, seconds: string | null): number {
  const iso = (start ?? "").replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  return Date.parse(iso) + Number(seconds) * 1000;
}

export const SCHEMES = {
  /** Signature Version 4, "query string authentication". No two are equal: each has a session token of its own. */
  aws: {
    signature: "X-Amz-Signature",
    spell: (signature) => signature.toString("hex"),
    parameters: ({ now, lifetime, random }) => ({
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": `ASIASIMULATEDPROVIDER/${compactTime(now).slice(0, 8)}/us-east-1/s3/aws4_request`,
      "X-Amz-Date": compactTime(now),
      "X-Amz-Expires": String(lifetime),
      "X-Amz-Security-Token": Buffer.from(random.bytes(24)).toString("base64"),
      "X-Amz-SignedHeaders": "host",
    }),
    expiry: (query) => endOf(query.get("X-Amz-Date"), query.get("X-Amz-Expires")),
  },
  /** CloudFront with a canned policy ("Create a signed URL using a canned policy"). */
  cloudfront: {
    signature: "Signature",
    // Its own base64: "-" for "+", "_" for "=", "~" for "/".
    spell: (signature) =>
      signature.toString("base64").replace(/[+=/]/g, (sign) => ({ "+": "-", "=": "_" })[sign] ?? "~"),
    parameters: ({ now, lifetime }) => ({
      Expires: String(Math.floor(now / 1000) + lifetime),
      "Key-Pair-Id": "KSIMULATEDPROVIDER",
    }),
    expiry: (query) => Number(query.get("Expires")) * 1000,
  },
  /** A shared access signature of Azure ("Create a service SAS"). */
  azure: {
    signature: "sig",
    spell: (signature) => signature.toString("base64"),
    parameters: ({ now, lifetime }) => ({
      sv: "2024-11-04",
      se: new Date(now + lifetime * 1000).toISOString().replace(/\.\d+/, ""),
      sr: "b",
      sp: "r",
    }),
    expiry: (query) => Date.parse(query.get("se") ?? ""),
  },
  /** Google Cloud Storage, V4 ("Signed URLs"). */
  google: {
    signature: "X-Goog-Signature",
    spell: (signature) => signature.toString("hex"),
    parameters: ({ now, lifetime }) => ({
      "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
      "X-Goog-Credential": `simulator@provider.iam.gserviceaccount.com/${compactTime(now).slice(0, 8)}/auto/storage/goog4_request`,
      "X-Goog-Date": compactTime(now),
      "X-Goog-Expires": String(lifetime),
      "X-Goog-SignedHeaders": "host",
    }),
    expiry: (query) => endOf(query.get("X-Goog-Date"), query.get("X-Goog-Expires")),
  },
} satisfies Record<string, SchemeShape>;
